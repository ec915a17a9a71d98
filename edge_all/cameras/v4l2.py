"""Cameras of the Video4Linux kernel interface, through OpenCV: most USB microscope cameras."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from edge_all.cameras.camera import Settings
from edge_all.cameras.device_uri import parse_device_uri
from edge_all.cameras.v4l2_ioctl import FrameFormat
from edge_all.cameras.v4l2_locking import LOCKABLE, lock_controls
from edge_all.cameras.v4l2_nodes import V4l2Node, find_node, look_at, refused
from edge_all.errors import CameraError, UsageError
from edge_all.vocabulary import Frame

OPTIONS = {
    "format": "MJPG or YUYV",
    "size": "1280x720",
    "fps": "frames a second",
    "lock": "0: automatic exposure and white balance stay on",
    **dict.fromkeys(LOCKABLE, "fixed value, in the driver's units"),
}
READ_FORMATS = ("MJPG", "YUYV")
_SELECT_S = "2"
"""OpenCV waits ten seconds for a frame otherwise, and holds the device all the while."""


class V4l2Camera:
    """``v4l2:/dev/video0``, ``v4l2:0``, ``v4l2:SERIAL`` or ``v4l2:NAME`` of /dev/v4l/by-id."""

    live = True
    independent_fields = False
    physical = True
    silent = False

    def __init__(self, uri: str, identity: str | None = None) -> None:
        """identity: of the camera that it was before a loss. Raises UsageError."""
        self.uri = uri
        self.identity = identity
        self._named = parse_device_uri(uri, OPTIONS)
        self._size, self._fps = self._named.size(), self._named.number("fps", 0.1, 1000)
        self._format = self._named.options.get("format", "").upper() or None
        if self._format not in (None, *READ_FORMATS):
            raise UsageError(f"v4l2: format={self._format} is not read", f"there are {' and '.join(READ_FORMATS)}")
        self._locks = self._named.options.get("lock", "1") != "0"
        self._fixed = {name: value for name in LOCKABLE if (value := self._named.number(name, -1e6, 1e6)) is not None}
        self.settles_s = 1.0 if self._locks else 0.0
        self._node: V4l2Node | None = None
        self._capture: Any = None
        self._chosen: FrameFormat | None = None

    def start(self) -> None:
        """Open it in the format asked for, else in the largest there is. Raises CameraError, UsageError."""
        path = find_node(self._named.name, self.identity)
        node = look_at(path)
        if node is None:
            raise CameraError(f"{path} gives no pictures", "'edge-all cameras' lists those that do")
        if node.is_csi:
            raise CameraError(f"{path} is a camera port of the Jetson and gives raw pictures", "use csi:0")
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
            # The node could be opened a moment ago: another program streams from it.
            raise refused(path, OSError(errno.EBUSY, os.strerror(errno.EBUSY)))
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*chosen.fourcc))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, chosen.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, chosen.height)
        if self._fps is not None or chosen.rates:
            capture.set(cv2.CAP_PROP_FPS, self._fps or chosen.rates[0])
        # One frame in work, one ready: more would be old ones.
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 2)
        return capture

    def read(self) -> Frame | None:
        """The next frame; None when the driver gives none within two seconds. Raises CameraError when it is gone."""
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
        """Exposure, gain, white balance and focus stay as they are now, as they were, or as the URI says."""
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
            # A second handle: the kernel lets controls be set beside the one that streams.
            fd = os.open(self._node.path, os.O_RDWR | os.O_NONBLOCK)
            try:
                in_force |= lock_controls(fd, {**(earlier or {}), **self._fixed})
            finally:
                os.close(fd)
        return in_force

    def stop(self) -> None:
        """Close it."""
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()


def choose_format(node: V4l2Node, wanted: str | None, size: tuple[int, int] | None, fps: float | None) -> FrameFormat:
    """The one asked for; without a wish, the largest that gives 15 frames a second or more, MJPG before YUYV.

    Raises CameraError with the nearest sizes for one that the camera does not have.
    """
    usable = [f for f in node.formats if f.fourcc in READ_FORMATS and wanted in (None, f.fourcc)]
    if not usable:
        offers = ", ".join(sorted({f.fourcc for f in node.formats})) or "none"
        raise CameraError(
            f"{node.path} does not offer {wanted or ' or '.join(READ_FORMATS)}",
            f"it offers {offers}: name another camera",
        )
    if size is not None:
        exact = [f for f in usable if (f.width, f.height) == size]
        if not exact:
            width, height = size
            near = sorted({(f.width, f.height) for f in usable}, key=lambda s: abs(s[0] - width) + abs(s[1] - height))
            raise CameraError(
                f"{node.path} has no size {size[0]}x{size[1]}",
                f"nearest: {', '.join(f'{w}x{h}' for w, h in near[:4])}",
            )
        usable = exact

    def worth(f: FrameFormat) -> tuple[bool, int, bool]:
        best = max(f.rates, default=30.0)
        return best >= (fps or 15.0), f.width * f.height, f.fourcc == "MJPG"

    return max(usable, key=worth)
