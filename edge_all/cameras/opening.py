"""Opening of the camera that a --camera URI names."""

from __future__ import annotations

import difflib
from pathlib import Path

from edge_all.cameras.base import Camera
from edge_all.cameras.discovery import AUTO, only_camera
from edge_all.cameras.image_names import VIDEO_SUFFIXES
from edge_all.cameras.registry import all_schemes, prefixes_line, scheme_of
from edge_all.errors import CameraError, UsageError
from edge_all.files.file_names import in_utf8

_FILE = "file"


def open_camera(uri: str) -> Camera:
    """Create the camera that a URI names, without starting it.

    A device is supervised (see SupervisedCamera). "auto" selects the only attached camera.

    Raises:
        UsageError: when the kind is unknown, the path does not exist, or "auto" does not find exactly one camera.
        CameraError: when the path cannot be read.
    """
    if uri == AUTO:
        uri = only_camera().uri
    name, colon, rest = uri.partition(":")
    if colon and len(name) > 1 and "/" not in name and not Path(uri).exists():
        if name == _FILE:
            return _from_path(Path(rest.removeprefix("//")), uri)
        scheme = scheme_of(uri)
        if scheme is None:
            near = difflib.get_close_matches(name, [_FILE, *(n for s in all_schemes() for n in s.schemes)], 1, 0.5)
            hint = f"did you mean {near[0]}:? " if near else ""
            raise UsageError(f"unknown camera kind '{name}:'", f"{hint}choose {prefixes_line()}")
        if scheme.needs_name and not rest:
            raise UsageError(f"{name}: does not name a camera", f"write it as {scheme.example}")
        return scheme.open(uri)
    if not uri:
        raise UsageError("the camera URI is empty", f"choose {prefixes_line()}")
    return _from_path(Path(uri).expanduser(), uri)


def _from_path(path: Path, uri: str) -> Camera:
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:
        raise CameraError(
            f"cannot access {in_utf8(uri)} ({error.strerror})", "check the path and its permissions"
        ) from error
    if is_folder:
        from edge_all.cameras.drivers.image_files import ImageFiles

        return ImageFiles.of_folder(path, uri)
    if not is_file:
        remedy = "check the path, or see 'edge-all cameras' for other cameras"
        if path.exists():
            raise UsageError(f"{in_utf8(uri)} is not a file or folder", remedy)
        raise UsageError(f"{in_utf8(uri)} does not exist", f"{_nearest_name(path, uri)}{remedy}")
    if path.suffix.lower() in VIDEO_SUFFIXES:
        from edge_all.cameras.drivers.video_file import VideoFile

        return VideoFile(path, uri)
    from edge_all.cameras.drivers.image_files import ImageFiles

    return ImageFiles([path], uri)


def _nearest_name(path: Path, uri: str) -> str:
    """Return the hint for a path that does not exist: a scheme without its colon, or a file with a similar name."""
    near: list[str] = []
    if path.parent.is_dir():
        try:
            near = difflib.get_close_matches(path.name, [p.name for p in path.parent.iterdir()], 1, 0.7)
        except OSError:
            near = []
    for scheme in all_schemes():
        if not scheme.needs_name and uri.startswith(scheme.schemes[0]) and uri.isalpha():
            near = [scheme.prefix]
    return f"did you mean {in_utf8(near[0])}? " if near else ""
