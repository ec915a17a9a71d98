"""Opening of the camera that a --camera URI names."""

from __future__ import annotations

import difflib
from pathlib import Path

from edge_all.cameras.base import Camera, Device
from edge_all.cameras.discovery import AUTO, only_camera
from edge_all.cameras.image_names import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from edge_all.errors import CameraError, UsageError

CAMERA_KINDS = {
    "v4l2:": "a USB camera, as v4l2:/dev/video0, v4l2:SERIAL or a name under /dev/v4l/by-id",
    "csi:": "a camera on a Jetson's CSI port, csi:0",
    "picamera2:": "a camera of a libcamera board, picamera2:0",
    "rtsp://": "a network camera; http:// for MJPEG",
    "gst:": "any GStreamer pipeline, gst:videotestsrc",
    "dir:": "a folder to watch for new images",
    "sim:": "the simulated microscope, sim:?seed=1&fields=40&blast_fraction=0.2&defocus=0",
    "FILE": f"an image ({' '.join(s[1:] for s in IMAGE_SUFFIXES)})",
    "FOLDER": "a folder of images, each a separate field",
    "VIDEO": f"a video ({' '.join(s[1:] for s in VIDEO_SUFFIXES)})",
}
"""Kinds of cameras, with their descriptions."""

_DEVICES = ("v4l2", "csi", "picamera2", "rtsp", "rtsps", "http", "https", "gst", "dir")


def kinds_line() -> str:
    """Return all camera kinds in one line, for messages."""
    return "; ".join(f"{name} {meaning}" for name, meaning in CAMERA_KINDS.items())


def open_camera(uri: str) -> Camera:
    """Create the camera that a URI names, without starting it.

    A device is supervised (see SupervisedCamera). "auto" selects the only attached camera.

    Raises:
        UsageError: when the kind is unknown, the path does not exist, or "auto" does not find exactly one camera.
        CameraError: when the path cannot be read.
    """
    if uri == AUTO:
        uri = only_camera().uri
    scheme, colon, rest = uri.partition(":")
    if colon and len(scheme) > 1 and "/" not in scheme and not Path(uri).exists():
        if scheme == "sim":
            from edge_all.cameras.drivers.simulated import SimulatedMicroscope

            return SimulatedMicroscope(uri)
        if scheme == "file":
            return _from_path(Path(rest.removeprefix("//")), uri)
        if scheme in _DEVICES:
            if not rest:
                raise UsageError(f"{scheme}: does not name a camera", f"choose one of: {kinds_line()}")
            return _watched(scheme, uri)
        near = difflib.get_close_matches(scheme, ["sim", "file", *_DEVICES], 1, 0.5)
        hint = f"did you mean {near[0]}:? " if near else ""
        raise UsageError(f"unknown camera kind '{scheme}:'", f"{hint}choose one of: {kinds_line()}")
    if not uri:
        raise UsageError("the camera URI is empty", f"choose one of: {kinds_line()}")
    return _from_path(Path(uri).expanduser(), uri)


def _watched(scheme: str, uri: str) -> Camera:
    from edge_all.cameras.supervised import SupervisedCamera

    read_files: set[tuple[str, int, int]] = set()

    def make(identity: str | None) -> Device:
        if scheme == "v4l2":
            from edge_all.cameras.drivers.v4l2.camera import V4l2Camera

            return V4l2Camera(uri, identity)
        if scheme == "csi":
            from edge_all.cameras.drivers.gstreamer import CsiCamera

            return CsiCamera(uri)
        if scheme == "gst":
            from edge_all.cameras.drivers.gstreamer import GstCamera

            return GstCamera(uri)
        if scheme == "picamera2":
            from edge_all.cameras.drivers.picamera2_camera import PicameraCamera

            return PicameraCamera(uri)
        if scheme == "dir":
            from edge_all.cameras.drivers.hot_folder import HotFolder

            return HotFolder(uri, read_files)
        from edge_all.cameras.drivers.network import NetworkStream

        return NetworkStream(uri)

    return SupervisedCamera(make)


def _from_path(path: Path, uri: str) -> Camera:
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:
        raise CameraError(f"cannot access {uri!r} ({error.strerror})", "check the path and its permissions") from error
    if is_folder:
        from edge_all.cameras.drivers.image_files import ImageFiles

        return ImageFiles.of_folder(path, uri)
    if not is_file:
        near: list[str] = []
        if path.parent.is_dir():
            try:
                near = difflib.get_close_matches(path.name, [p.name for p in path.parent.iterdir()], 1, 0.7)
            except OSError:
                near = []
        if uri in ("sim", "simulator"):
            near = ["sim:"]
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"{uri!r} is not a file, folder or camera", f"{hint}choose one of: {kinds_line()}")
    if path.suffix.lower() in VIDEO_SUFFIXES:
        from edge_all.cameras.drivers.video_file import VideoFile

        return VideoFile(path, uri)
    from edge_all.cameras.drivers.image_files import ImageFiles

    return ImageFiles([path], uri)
