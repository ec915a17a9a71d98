"""Video4Linux cameras (most USB microscope cameras), through OpenCV."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from edge_all.cameras.base import Camera, Settings
from edge_all.cameras.drivers.v4l2.controls import LOCKABLE, lock_controls
from edge_all.cameras.drivers.v4l2.ioctl import FrameFormat
from edge_all.cameras.drivers.v4l2.nodes import V4l2Node, find_node, query_node, refused
from edge_all.cameras.supervised import SupervisedCamera
from edge_all.cameras.uri import parse_device_uri
from edge_all.domain.types import Frame
from edge_all.errors import CameraError, UsageError

OPTIONS = {
    "format": "MJPG or YUYV",
    "size": "1280x720",
    "fps": "frames per second",
    "lock": "0 leaves automatic exposure and white balance on",
    **dict.fromkeys(LOCKABLE, "fixed value, in the driver's units"),
}
READ_FORMATS = ("MJPG", "YUYV")
_SELECT_S = "2"
"""Seconds to wait for a frame. OpenCV's default is ten, during which it holds the device."""


class V4l2Camera:
    """V4L2 camera: ``v4l2:/dev/video0``, ``v4l2:0``, ``v4l2:SERIAL`` or ``v4l2:NAME`` of /dev/v4l/by-id."""

    live = True
    independent_fields = False
    physical = True
    silent = False

    def __init__(self, uri: str, identity: str | None = None) -> None:
        """Parse the URI.

        Args:
            uri: The URI.
            identity: Identity of the camera that was lost, when reconnecting.

        Raises:
            UsageError: when the URI is not valid.
        """
        self.uri = uri
        self.identity = identity
        self._named = parse_device_uri(uri, OPTIONS)
        self._size, self._fps = self._named.size(), self._named.number("fps", 0.1, 1000)
        self._format = self._named.options.get("format", "").upper() or None
        if self._format not in (None, *READ_FORMATS):
            raise UsageError(f"v4l2: format={self._format} is not supported", f"use {' or '.join(READ_FORMATS)}")
        self._locks = self._named.options.get("lock", "1") != "0"
        self._fixed = {name: value for name in LOCKABLE if (value := self._named.number(name, -1e6, 1e6)) is not None}
        self.settles_s = 1.0 if self._locks else 0.0
        self._node: V4l2Node | None = None
        self._capture: Any = None
        self._chosen: FrameFormat | None = None

    def start(self) -> None:
        """Open the camera in the requested format, or else in the largest one.

        Raises:
            CameraError: when it cannot be opened or does not offer the format.
        """
        path = find_node(self._named.name, self.identity)
        node = query_node(path)
        if node is None:
            raise CameraError(f"{path} is not a capture device", "'edge-all cameras' lists the capture devices")
        if node.is_csi:
            raise CameraError(f"{path} is a Jetson camera port, which delivers raw images", "use csi:0")
        self._node, self.identity = node, node.identity
        self._chosen = choose_format(node, self._format, self._size, self._fps)
        self._capture = self._opened(path, self._chosen)

    def _opened(self, path: Path, chosen: FrameFormat) -> Any:
        os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", _SELECT_S)
        os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
        import cv2

        capture = cv2.VideoCapture(str(path), cv2.CAP_V4L2)
        if not capture.isOpened():
            capture.release()
            # The node could be opened a moment ago, so another program must be streaming from it.
            raise refused(path, OSError(errno.EBUSY, os.strerror(errno.EBUSY)))
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*chosen.fourcc))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, chosen.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, chosen.height)
        if self._fps is not None or chosen.rates:
            capture.set(cv2.CAP_PROP_FPS, self._fps or chosen.rates[0])
        # One frame being read and one ready; more would be outdated.
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 2)
        return capture

    def read(self) -> Frame | None:
        """Return the next frame, or None if the driver delivers none within two seconds.

        Raises:
            CameraError: when the camera is unplugged.
        """
        import cv2

        assert self._capture is not None
        assert self._node is not None
        ok, image = self._capture.read()
        if not ok or image is None or image.size == 0:
            if not self._node.path.exists():
                raise CameraError(f"the camera {self._node.path} is gone", "plug it in again")
            return None
        rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
        return Frame(rgb, 0, time.time(), "")

    def lock(self, earlier: Settings | None) -> Settings:
        """Lock exposure, gain, white balance and focus at the URI's, the earlier or the current values."""
        import cv2

        assert self._node is not None
        assert self._chosen is not None
        assert self._capture is not None
        in_force: dict[str, float | str] = {
            "format": self._chosen.fourcc,
            "size": f"{int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))}x"
            f"{int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))}",
            "fps": round(float(self._capture.get(cv2.CAP_PROP_FPS)), 2),
            "camera": self._node.card,
        }
        if self.identity:
            in_force["serial"] = self.identity
        if self._locks:
            # The kernel allows a second handle to set controls while the first one streams.
            fd = os.open(self._node.path, os.O_RDWR | os.O_NONBLOCK)
            try:
                in_force |= lock_controls(fd, {**(earlier or {}), **self._fixed})
            finally:
                os.close(fd)
        return in_force

    def stop(self) -> None:
        """Close the camera."""
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()


def choose_format(node: V4l2Node, wanted: str | None, size: tuple[int, int] | None, fps: float | None) -> FrameFormat:
    """Choose the requested format or, by default, the largest one with at least 15 frames per second.

    Of equal ones, MJPG is preferred to YUYV.

    Args:
        node: The camera.
        wanted: Pixel format, or None for any supported one.
        size: Width and height in pixels, or None for any.
        fps: Frames per second to reach, or None for 15.

    Raises:
        CameraError: when the camera does not have the format or size; the remedy lists the nearest sizes.
    """
    usable = [f for f in node.formats if f.fourcc in READ_FORMATS and wanted in (None, f.fourcc)]
    if not usable:
        offers = ", ".join(sorted({f.fourcc for f in node.formats})) or "none"
        raise CameraError(
            f"{node.path} does not offer {wanted or ' or '.join(READ_FORMATS)}",
            f"it offers {offers}; use another camera",
        )
    if size is not None:
        exact = [f for f in usable if (f.width, f.height) == size]
        if not exact:
            width, height = size
            near = sorted({(f.width, f.height) for f in usable}, key=lambda s: abs(s[0] - width) + abs(s[1] - height))
            raise CameraError(
                f"{node.path} has no size {size[0]}x{size[1]}",
                f"the nearest are {', '.join(f'{w}x{h}' for w, h in near[:4])}",
            )
        usable = exact

    def worth(f: FrameFormat) -> tuple[bool, int, bool]:
        best = max(f.rates, default=30.0)
        return best >= (fps or 15.0), f.width * f.height, f.fourcc == "MJPG"

    return max(usable, key=worth)


def open_v4l2(uri: str) -> Camera:
    """Create the supervised camera of a ``v4l2:`` URI."""
    return SupervisedCamera(lambda identity: V4l2Camera(uri, identity))
