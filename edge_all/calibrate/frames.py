"""Frames for a calibration from any camera, with a limit on the waiting time."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

from edge_all.cameras.base import Camera
from edge_all.domain.types import Frame, Unreadable
from edge_all.errors import CalibrationError, CameraError

SILENT_S = 5.0
"""A live camera that delivers no frame for this many seconds is lost."""
_STARTS_S = 20.0
"""Limit for its first frame, which may take longer."""


def frames_of(camera: Camera, limit_s: float | None = None, silent_s: float = SILENT_S) -> Iterator[Frame]:
    """Yield the frames of a started camera; a live camera always yields its newest frame. Skip unreadable frames.

    Args:
        camera: A started camera.
        limit_s: Time after which to stop reading a live camera, s; None to read until its last frame.
        silent_s: A live camera that delivers no frame for this time is lost, s.

    Raises:
        CameraError: when the camera is gone or blocks in a read.
        CalibrationError: when all its frames are unreadable.
    """
    if not camera.live:
        yield from _readable(iter(camera.read, None))
        return
    newest: queue.Queue[Frame | Unreadable | BaseException | None] = queue.Queue(1)
    stopped = threading.Event()

    def read() -> None:
        item: Frame | Unreadable | BaseException | None = None
        while not stopped.is_set():
            try:
                item = camera.read()
            except BaseException as error:
                item = error
            with suppress(queue.Empty):  # an older frame that was not taken is outdated
                newest.get_nowait()
            newest.put(item)
            if item is None or isinstance(item, BaseException):
                return

    # A driver that never returns from a read must not block this generator.
    threading.Thread(target=read, name="calibration camera", daemon=True).start()

    def taken() -> Iterator[Frame | Unreadable]:
        started, wait_s = time.monotonic(), max(silent_s, _STARTS_S)
        while limit_s is None or time.monotonic() - started < limit_s:
            try:
                item = newest.get(timeout=wait_s)
            except queue.Empty:
                raise CameraError(
                    f"the camera {camera.uri} delivered no frame for {wait_s:.0f} s", "check its cable, then try again"
                ) from None
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            wait_s = silent_s
            yield item

    try:
        yield from _readable(taken())
    finally:
        stopped.set()


def _readable(frames: Iterator[Frame | Unreadable]) -> Iterator[Frame]:
    reason, good = "", 0
    for frame in frames:
        if isinstance(frame, Unreadable):
            reason = f"{frame.source} {frame.reason}"
        else:
            good += 1
            yield frame
    if reason and not good:
        raise CalibrationError(f"no frame could be read ({reason})", "check the camera or the files")
