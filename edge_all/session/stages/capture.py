"""Camera thread of a session: read frames and queue them until the stream ends or the queue is closed."""

from __future__ import annotations

import time
from dataclasses import replace

from edge_all.cameras.base import Camera
from edge_all.session.metrics.step_times import StepTimes
from edge_all.session.stages.pipeline import Pipeline


class CaptureStage:
    """Capture stage of one session, run in its own thread."""

    def __init__(
        self,
        camera: Camera,
        first_frame: int,
        max_frames: int | None,
        pipeline: Pipeline,
        times: StepTimes,
    ) -> None:
        """Create the stage.

        Args:
            camera: A started camera.
            first_frame: First frame index of a resumed session. A live camera's frames are numbered from it; file
                frames before it are skipped.
            max_frames: Number of frames to read, or None for all.
            pipeline: The session's queues. If the stage fails, frames read before are still analyzed.
            times: Timer of the steps.
        """
        self._camera, self._pipeline = camera, pipeline
        self._first_frame, self._max_frames = first_frame, max_frames
        self._times = times

    def run(self) -> None:
        """Read frames until the stream ends, `max_frames` is reached, or the session is stopped."""
        read = 0
        frames, stopped = self._pipeline.frames, self._pipeline.stopped
        try:
            while not stopped.is_set() and (self._max_frames is None or read < self._max_frames):
                frame = self._times.timed("grab", self._camera.read)
                if frame is None:
                    break
                if self._camera.live and frame.taken_s is None:  # the clock may be set before it is recorded
                    frame = replace(frame, taken_s=time.monotonic())
                if self._first_frame and self._camera.live:
                    frame = replace(frame, index=frame.index + self._first_frame)
                elif frame.index < self._first_frame:  # files start over from the first frame
                    continue
                if not frames.put(frame):
                    break
                read += 1
        except BaseException as error:
            self._pipeline.errors.append(error)
        finally:
            frames.close()
