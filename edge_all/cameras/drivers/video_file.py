"""Video file as a camera: frames of a moving stage, none dropped."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from edge_all.cameras.min_size import too_small
from edge_all.domain.types import Frame, Unreadable
from edge_all.errors import CameraError
from edge_all.files.file_names import in_utf8

_MISSING_TOLERATED = 2
"""Missing frames at the end that do not count as damage, because containers round their frame count."""


class VideoFile:
    """Camera that reads a video file through OpenCV."""

    live = False
    independent_fields = False

    def __init__(self, path: Path, uri: str) -> None:
        self.uri = in_utf8(uri)
        self._path = path
        self._capture: cv2.VideoCapture | None = None
        self.frame_count: int | None = None
        self._next = 0
        self._ended = False

    def start(self) -> None:
        """Open the file.

        Raises:
            CameraError: when it is not a readable video.
        """
        capture = cv2.VideoCapture(str(self._path))
        if not capture.isOpened():
            capture.release()
            raise CameraError(
                f"{in_utf8(self._path)} is not a readable video",
                "copy it again, or convert it to MP4 (H.264) or AVI (MJPEG)",
            )
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        self._capture = capture
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.frame_count = count if count > 0 else None
        self._next, self._ended = 0, False

    def read(self) -> Frame | Unreadable | None:
        """Return the next frame, or None at the end. A truncated video ends with one Unreadable."""
        if self._capture is None:
            self.start()
        assert self._capture is not None
        if self._ended:
            return None
        ok, image = self._capture.read()
        if not ok or image is None:
            self._ended = True
            missing = 0 if self.frame_count is None else self.frame_count - self._next
            if self._next == 0 or missing > _MISSING_TOLERATED:
                expected = f"of {self.frame_count} " if self.frame_count else ""
                return Unreadable(
                    self._next,
                    time.time(),
                    in_utf8(self._path.name),
                    f"the video is truncated after {self._next} {expected}frames; copy it again",
                )
            return None
        index = self._next
        self._next += 1
        rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
        source = f"{in_utf8(self._path.name)}#{index}"
        if reason := too_small(rgb):
            return Unreadable(index, time.time(), source, reason)
        return Frame(rgb, index, time.time(), source)

    def stop(self) -> None:
        """Close the file."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def __enter__(self) -> VideoFile:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
