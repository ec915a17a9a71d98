"""Threads of a session: one for each stage, from the camera to the record."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from edge_all.cameras.base import Camera
from edge_all.cameras.supervised import SupervisedCamera
from edge_all.session.stages.capture import CaptureStage
from edge_all.session.stages.classify import ClassifyStage
from edge_all.session.stages.locate import LocateStage
from edge_all.session.stages.pipeline import Pipeline
from edge_all.session.stages.recorder import RecordStage

_DRIVER_ENDS_S = 5.0
"""Longest wait for the driver of a live camera. One that never returns from a read must not delay the summary."""


@dataclass(frozen=True, eq=False)
class Stages:
    """The stages of one started session, in order."""

    capture: CaptureStage
    locate: LocateStage
    classify: ClassifyStage
    record: RecordStage


class StageThreads:
    """Threads of one started session. Frames are located in the thread that calls run()."""

    def __init__(self, camera: Camera, pipeline: Pipeline, stages: Stages) -> None:
        self._camera, self._pipeline, self._stages = camera, pipeline, stages
        self._capture = threading.Thread(target=stages.capture.run, name="camera", daemon=True)

    def run(self) -> None:
        """Run all stages until the last result is on disk. The camera may still be waiting for its driver."""
        pipeline, stages = self._pipeline, self._stages
        classify = threading.Thread(target=stages.classify.run, name="classify", daemon=True)
        record = threading.Thread(target=stages.record.run, name="record", daemon=True)
        for thread in (self._capture, classify, record):
            thread.start()
        try:
            stages.locate.run(stages.classify)
        except BaseException as error:
            pipeline.errors.append(error)
        pipeline.stopped.set()
        pipeline.frames.close(discard=True)
        pipeline.located.close()
        classify.join()
        pipeline.results.close()
        if isinstance(self._camera, SupervisedCamera):  # its read may be waiting for a lost camera or for a file
            self._camera.stop()
        record.join()

    def end_capture(self) -> None:
        """Wait for the camera's thread, and stop the camera."""
        self._capture.join(_DRIVER_ENDS_S if self._camera.live else None)
        self._camera.stop()
