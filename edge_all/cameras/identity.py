"""Identity of a camera that does not depend on the port it is plugged into."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from edge_all.cameras.base import Camera
from edge_all.text.uri import without_user


def identity_of(camera: Camera) -> str:
    """Return a camera's `identity` (a serial number, a by-id name) if it has one, else its URI without a password.

    Data stored for a camera, such as its calibration, is stored under this name. Some cameras know their identity only
    once started.
    """
    own = getattr(camera, "identity", None)
    return own if isinstance(own, str) and own else identity_of_uri(camera.uri)


def identity_of_uri(uri: str) -> str:
    """Return the identity of a camera without its own: its URI without a password, or a file's absolute path."""
    with suppress(OSError, ValueError, RuntimeError):
        path = Path(uri).expanduser()
        if path.exists():
            return str(path.resolve())
    return without_user(uri)
