"""Analysis loop of a session: locate the cells of each frame in order, and handle commands between frames."""

from __future__ import annotations

from edge_all.cameras.base import Camera
from edge_all.cameras.supervised import SupervisedCamera
from edge_all.domain.types import Frame, Unreadable
from edge_all.field.gate import Skip
from edge_all.session.commands import NameSample, Pause, Resume, Start, Stop
from edge_all.session.field_result import FieldResult, Located
from edge_all.session.hooks import SessionHooks
from edge_all.session.metrics.frame_age import FrameAges
from edge_all.session.stages.analysis import Analysis
from edge_all.session.stages.classify import ClassifyStage
from edge_all.session.stages.items import LocatedItem
from edge_all.session.stages.pipeline import Pipeline
from edge_all.session.tally import PAUSED

_COMMANDS_SEEN_S = 0.1
"""Longest delay before a command is handled, even if the camera is silent."""


class LocateStage:
    """Detection stage of one session, run in the thread that runs the session."""

    def __init__(self, camera: Camera, analysis: Analysis, pipeline: Pipeline, hooks: SessionHooks) -> None:
        self._live = camera.live
        self._watched = camera if isinstance(camera, SupervisedCamera) else None
        self._analysis, self._pipeline = analysis, pipeline
        self._commands, self._on_heartbeat, self._times = hooks.commands, hooks.on_heartbeat, hooks.times
        self.paused = False
        """True while the analysis is paused."""
        self.ages = FrameAges()
        """Age of a live camera's frames when their analysis starts."""

    def run(self, classify_stage: ClassifyStage) -> None:
        """Locate cells until the stream ends or the session is stopped.

        `classify_stage` handles the located fields in another thread at the same time.
        """
        pipeline = self._pipeline
        dropped = put = classified = 0
        while not pipeline.stopped.is_set():
            # No heartbeat if the classifier has not advanced since the last iteration, as it may hang in its engine.
            if classify_stage.finished != classified or classify_stage.finished == put:
                self._on_heartbeat()
            classified = classify_stage.finished
            put += self._obey()
            if self.paused and not self._live:
                self._commands.wait(_COMMANDS_SEEN_S)
                continue
            try:
                frame = self._times.timed("take", lambda: pipeline.frames.get(_COMMANDS_SEEN_S))
            except TimeoutError:
                continue
            if frame is None:
                return
            so_far = pipeline.frames.dropped + (self._watched.dropped if self._watched is not None else 0)
            self.ages.add(frame)
            located = self._located(frame)
            pipeline.located.wait_for_room()
            with self._times.step("pass on"):
                pipeline.located.put(LocatedItem(located, so_far - dropped))
            dropped, put = so_far, put + 1

    def _located(self, frame: Frame | Unreadable) -> Located | FieldResult | Unreadable:
        if isinstance(frame, Unreadable):
            return frame
        if self.paused:
            return FieldResult(frame, skip=Skip(frame.index, frame.source, PAUSED))
        return self._analysis.locate(frame)

    def _obey(self) -> int:
        """Handle the queued commands. Returns the number of commands that were passed on."""
        passed_on = 0
        taken = self._commands.take()
        for at, command in enumerate(taken):
            if isinstance(command, Start):  # the next sample, which the station starts after this session
                self._commands.put_back(taken[at:])
                self._pipeline.stop()
                break
            if isinstance(command, Stop):
                self._pipeline.stop()
            elif isinstance(command, (Pause, Resume)):
                if self.paused is not (pauses := isinstance(command, Pause)):
                    self.paused = pauses
                    self._pipeline.located.put(LocatedItem(command))
                    passed_on += 1
            elif isinstance(command, NameSample):
                self._pipeline.located.put(LocatedItem(command))
                passed_on += 1
        return passed_on
