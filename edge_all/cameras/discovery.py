"""Discovery of the cameras attached to this machine."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from edge_all.errors import UsageError

AUTO = "auto"
"""URI for use in a profile that selects the only attached camera."""


@dataclass(frozen=True)
class FoundCamera:
    """Camera found on this machine."""

    uri: str
    """Value for --camera; contains the serial number if there is one."""
    name: str
    where: str
    formats: tuple[str, ...] = ()
    """Descriptions of the frame formats."""
    trouble: str = ""
    """Reason why the camera cannot be used now; empty if it can."""


def find_cameras() -> list[FoundCamera]:
    """Find USB and other V4L2 cameras, a Jetson's CSI ports, and libcamera cameras; not network cameras."""
    return [*_v4l2_and_csi(), *_libcamera()]


def only_camera() -> FoundCamera:
    """Return the only attached camera.

    Raises:
        UsageError: when there is none, or more than one.
    """
    found = [c for c in find_cameras() if not c.trouble]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"{len(found)} cameras are attached", f"choose one with --camera: {', '.join(c.uri for c in found)}"
        )
    troubled = [c for c in find_cameras() if c.trouble]
    if troubled:
        raise UsageError(f"no camera can be used: {troubled[0].trouble}", "'edge-all cameras' lists all cameras")
    raise UsageError(
        "no camera is attached", "plug one in, or give a network camera, a folder, a file or sim: with --camera"
    )


def _v4l2_and_csi() -> list[FoundCamera]:
    if not sys.platform.startswith("linux"):
        return []
    from edge_all.cameras.drivers.v4l2.camera import READ_FORMATS
    from edge_all.cameras.drivers.v4l2.ioctl import FrameFormat
    from edge_all.cameras.drivers.v4l2.nodes import list_nodes

    def words(f: FrameFormat) -> str:
        rates = f" {'/'.join(f'{r:g}' for r in f.rates)} fps" if f.rates else ""
        return f"{f.fourcc} {f.width}x{f.height}{rates}"

    found, ports = [], 0
    for node in list_nodes():
        formats = tuple(words(f) for f in node.formats if f.fourcc in READ_FORMATS)
        if others := sorted({f.fourcc for f in node.formats} - set(READ_FORMATS)):
            formats += (f"not supported: {', '.join(others)}",)
        if node.is_csi:
            found.append(FoundCamera(f"csi:{ports}", node.card, str(node.path), formats))
            ports += 1
        else:
            uri = f"v4l2:{node.identity or node.path}"
            found.append(FoundCamera(uri, node.card, str(node.path), formats, node.trouble))
    return found


def _libcamera() -> list[FoundCamera]:
    """Return libcamera's cameras. Skip the import of picamera2, which takes a second, if it cannot find any."""
    import importlib.util

    if importlib.util.find_spec("picamera2") is None or (
        not any(Path("/dev").glob("media*")) and importlib.util.find_spec("libcamera") is None
    ):
        return []
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:FATAL")  # its log lines would appear in the list
    try:
        from picamera2 import Picamera2  # type: ignore[import-not-found, unused-ignore]

        there = Picamera2.global_camera_info()
    except Exception as error:  # libcamera can raise anything if its parts do not match
        line = " ".join(str(error).split())
        return [FoundCamera("picamera2:0", "libcamera", "libcamera", (), f"libcamera cannot be used: {line}")]
    # Its USB cameras are also V4L2 cameras.
    return [
        FoundCamera(f"picamera2:{c['Num']}", str(c["Model"]), str(c["Id"]))
        for c in there
        if "usb" not in str(c["Id"]).lower()
    ]
