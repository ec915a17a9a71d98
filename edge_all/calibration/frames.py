"""Frames to calibrate by, from any camera, with an end to waiting."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

from edge_all.cameras.camera import Camera
from edge_all.errors import CalibrationError, CameraError
from edge_all.vocabulary import Frame, Unreadable

SILENT_S = 5.0
"""A live camera that gives nothing for so long is lost."""
_STARTS_S = 20.0
"""Its first frame may take longer."""


def frames_of(camera: Camera, limit_s: float | None = None, silent_s: float = SILENT_S) -> Iterator[Frame]:
    """The frames of a started camera, the newest first where it is live; unreadable ones are passed over.

    Ends with the camera's last frame, or after limit_s of a live camera. Raises CameraError when the camera is gone or
    blocks in a read, CalibrationError when it gives unreadable frames only.
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
            with suppress(queue.Empty):  # nobody took the one before: it is old
                newest.get_nowait()
            newest.put(item)
            if item is None or isinstance(item, BaseException):
                return

    # A driver that never returns from a read must not hold us.
    threading.Thread(target=read, name="calibration camera", daemon=True).start()

    def taken() -> Iterator[Frame | Unreadable]:
        begun, wait_s = time.monotonic(), max(silent_s, _STARTS_S)
        while limit_s is None or time.monotonic() - begun < limit_s:
            try:
                item = newest.get(timeout=wait_s)
            except queue.Empty:
                raise CameraError(
                    f"the camera {camera.uri} gives no frame for {wait_s:.0f} s", "check its cable, then try again"
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
        raise CalibrationError(f"not one frame could be read ({reason})", "check the camera or the files")
