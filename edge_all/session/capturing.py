"""The camera's thread of a session: frames are read and handed on until there are none, or nobody takes them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from edge_all.cameras.camera import Camera
from edge_all.session.handover import Handover
from edge_all.session.step_times import StepTimes
from edge_all.vocabulary import Frame, Unreadable


class Capturing:
    """Made for one session, run in one thread."""

    def __init__(
        self,
        camera: Camera,
        first_frame: int,
        max_frames: int | None,
        frames: Handover[Frame | Unreadable],
        times: StepTimes,
        stopped: threading.Event,
        failed: Callable[[BaseException], None],
    ) -> None:
        """camera: started. first_frame: of a session that goes on; a live camera's frames are numbered on from it,
        files' before it are left out. failed: told why it ended early; what was read is still analysed."""
        self._camera, self._frames = camera, frames
        self._first_frame, self._max_frames = first_frame, max_frames
        self._times = times
        self._stopped, self._failed = stopped, failed

    def run(self) -> None:
        """Until the camera's end, max_frames, or stopped."""
        read = 0
        try:
            while not self._stopped.is_set() and (self._max_frames is None or read < self._max_frames):
                frame = self._times.timed("grab", self._camera.read)
                if frame is None:
                    break
                if self._camera.live and frame.taken_s is None:  # the clock may be set before it is recorded
                    frame = replace(frame, taken_s=time.monotonic())
                if self._first_frame and self._camera.live:
                    frame = replace(frame, index=frame.index + self._first_frame)
                elif frame.index < self._first_frame:  # files begin again from the first
                    continue
                if not self._frames.put(frame):
                    break
                read += 1
        except BaseException as error:
            self._failed(error)
        finally:
            self._frames.close()
