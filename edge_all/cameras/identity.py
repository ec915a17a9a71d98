"""What tells one camera from another, however it is plugged in."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from edge_all.cameras.camera import Camera


def identity_of(camera: Camera) -> str:
    """A camera's own ``identity`` (a serial number, a by-id name) where it has one, else its URI without a password.

    What is kept for a camera, as its calibration, is kept under it. Some cameras know theirs only once started.
    """
    own = getattr(camera, "identity", None)
    return own if isinstance(own, str) and own else identity_of_uri(camera.uri)


def identity_of_uri(uri: str) -> str:
    """Of a camera that has no name of its own: its URI without a password, a file's or folder's whole path."""
    with suppress(OSError, ValueError, RuntimeError):
        path = Path(uri).expanduser()
        if path.exists():
            return str(path.resolve())
    return without_password(uri)


def without_password(uri: str) -> str:
    """A URI without user and password: it may be shown and stored."""
    try:
        parts = urlsplit(uri)
    except ValueError:  # no address at all: a file may be named so
        return uri
    if "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
