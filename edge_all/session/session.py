"""A session: the analysis of one smear from start to stop, in four threads connected by bounded queues."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from edge_all.calibration.model import NONE
from edge_all.cameras.base import Camera
from edge_all.cameras.events import CameraState
from edge_all.cameras.identity import identity_of, identity_of_uri
from edge_all.cameras.supervised import SupervisedCamera
from edge_all.domain.statistics import result_words
from edge_all.errors import EdgeAllError, RecordError
from edge_all.record.write.disk_full import DiskState
from edge_all.session.builder import build_parts
from edge_all.session.calibration import CalibrationWatch, for_record, load_for
from edge_all.session.hints import camera_hint
from edge_all.session.hooks import SessionHooks
from edge_all.session.lifecycle import ActiveSession
from edge_all.session.metrics.frame_age import FrameAges
from edge_all.session.options import SessionOptions
from edge_all.session.progress import CameraAccount, Progress, Summary
from edge_all.session.stages.bounded_queue import QueueUse
from edge_all.session.stages.capture import CaptureStage
from edge_all.session.stages.classify import ClassifyStage
from edge_all.session.stages.locate import LocateStage
from edge_all.session.stages.pipeline import Pipeline
from edge_all.session.stages.recorder import RecordStage
from edge_all.session.stages.threads import Stages, StageThreads


class Session:
    """Analysis of one smear, from the camera to the record. A session runs only once.

    Example::

        with open_camera("sim:?fields=4") as camera, Session(camera, Path("record")) as session:
            print(session.run().result)
    """

    def __init__(
        self,
        camera: Camera,
        record_folder: Path,
        options: SessionOptions | None = None,
        hooks: SessionHooks | None = None,
    ) -> None:
        """Load the models, open the record, and find the session to resume, if any.

        Args:
            camera: An opened camera that is not started yet.
            record_folder: Folder of the record.
            options: Options of the session, or None for the defaults.
            hooks: Hooks of the program around it, or None for a session that runs on its own.

        Raises:
            ModelError: when no model set can be loaded.
            EngineUnavailableError: when the requested engine is not available.
            RecordError: when the record cannot be opened.
            UsageError: when the options are not valid.
        """
        self._camera = camera
        self._watched = camera if isinstance(camera, SupervisedCamera) else None
        self._options = options or SessionOptions()
        self._hooks = hooks or SessionHooks()
        parts = build_parts(camera, record_folder, self._options, self._hooks)
        self._models, self._record, self._analysis = parts.models, parts.record, parts.analysis
        self._info, self._opened = parts.info, parts.opened
        self._pipeline = Pipeline(camera.live, self._options.profile.queue_frames)
        self._locate_stage = LocateStage(camera, self._analysis, self._pipeline, self._hooks)
        self._active: ActiveSession | None = None
        self._stages: Stages | None = None
        self._calibration = NONE
        self._has_reported_error = False

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the engines and the record, and release the session.

        Raises:
            RecordError: when the record cannot be closed and no error was reported before.
        """
        self._models.close()
        try:
            self._record.close()
        except RecordError:
            if not self._has_reported_error:
                raise
        finally:
            if self._active is not None:
                self._active.release()

    @property
    def id(self) -> str:
        """The session's id; empty until it is started."""
        return self._active.id if self._active is not None else ""

    @property
    def engines_in_words(self) -> str:
        """The engines in use, and why a faster one is not used."""
        return self._models.engines_in_words

    @property
    def sample(self) -> str | None:
        """The sample id: given at the start, named since, or restored from before a restart."""
        restored = self._opened.row.sample if self._opened is not None else None
        named = self._stages.record.sample if self._stages is not None else None
        return named or self._info.sample or restored

    @property
    def is_resumed(self) -> bool:
        """True if this is a resumed session, not a new one."""
        return self._opened is not None

    @property
    def frame_queue(self) -> QueueUse:
        """Usage of the queue before the analysis."""
        return self._pipeline.frames.use

    @property
    def record_queue(self) -> QueueUse:
        """Usage of the queue before the record. A record that falls behind fills it and delays the analysis."""
        return self._pipeline.results.use

    @property
    def disk(self) -> DiskState:
        """State of the record's disk, and what is held back while it is full. Safe to read from any thread."""
        return self._record.disk

    @property
    def camera_state(self) -> CameraState:
        """State of the camera. Files and the simulator always work."""
        return self._watched.state if self._watched is not None else CameraState.WORKS

    @property
    def hint(self) -> str:
        """Hint for the person at the bench ("camera lost", "refocus"); empty if all is well.

        Safe to read from any thread.
        """
        of_frame = self._stages.classify.hint if self._stages is not None else ""
        return camera_hint(self.camera_state) or of_frame

    @property
    def frame_ages(self) -> FrameAges:
        """Age of a live camera's frames when their analysis starts."""
        return self._locate_stage.ages

    @property
    def paused(self) -> bool:
        """True while the analysis is paused."""
        return self._locate_stage.paused

    @property
    def stopping(self) -> bool:
        """True while the last frame is being analyzed, and after the session has ended."""
        return self._pipeline.stopped.is_set()

    def stop(self) -> None:
        """Stop after the current frame. Safe to call from any thread and from a signal handler."""
        self._pipeline.stop()

    def run(self, on_progress: Callable[[Progress], None] | None = None) -> Summary:
        """Run until the stream ends, stop() is called or an error occurs; the summary shows which.

        `on_progress` is called from the recording thread after the frame is on disk.
        """
        self._camera.start()
        active = self._start()
        stages = self._stages = self._make_stages(active, on_progress)
        active.announce(self._info, self._opened)
        threads = StageThreads(self._camera, self._pipeline, stages)
        threads.run()
        try:
            # Write the end first, so that a quick exit of the program does not have to wait for a slow read.
            summary = self._finish(active)
        finally:
            threads.end_capture()
        stages.record.report(None)
        return summary

    def _start(self) -> ActiveSession:
        """Load the calibration of the started camera, and start or resume the session in the record."""
        store = self._options.calibrations
        own = identity_of(self._camera)  # some cameras know their serial number only once started
        if own != identity_of_uri(self._camera.uri):
            self._info = replace(self._info, settings={**self._info.settings, "camera_identity": own})
        if store is not None:
            scale_is_given = self._options.um_per_px is not None
            self._calibration = load_for(self._camera, store, scale_is_given, self._models.classifier)
        stored = for_record(self._calibration) if self._calibration.parts else None
        if stored is not None:
            self._info = replace(self._info, settings={**self._info.settings, "calibration": stored})
        active = self._active = ActiveSession(self._record, self._info, self._opened, self._hooks.listener)
        if stored is not None and self._opened is not None:
            self._record.note_settings(active.id, "calibration", stored)
        return active

    def _make_stages(self, active: ActiveSession, on_progress: Callable[[Progress], None] | None) -> Stages:
        options, hooks, pipeline = self._options, self._hooks, self._pipeline
        watch = None
        if self._calibration.parts:
            self._analysis.use(self._calibration)
            watch = CalibrationWatch(self._calibration)
        first_frame = active.first_frame
        return Stages(
            CaptureStage(self._camera, first_frame, options.max_frames, pipeline, hooks.times),
            self._locate_stage,
            ClassifyStage(self._analysis, active.tally, pipeline, hooks.times, options.stop_at, watch),
            RecordStage(
                self._record, active.id, self._camera, first_frame, pipeline, hooks.times, hooks.listener, on_progress
            ),
        )

    def _finish(self, active: ActiveSession) -> Summary:
        """Write the end and return the summary. An internal error is raised, never hidden behind a summary."""
        errors = self._pipeline.errors
        if internal := [e for e in errors if not isinstance(e, EdgeAllError)]:
            raise internal[0]
        error = next((e for e in errors if isinstance(e, EdgeAllError)), None)
        counts = active.tally.counts()
        result = result_words(counts)
        interrupted = self._pipeline.stopped_by_user or error is not None
        ages = self.frame_ages if self._watched is not None else None
        failed = active.end(counts, result, interrupted, ages.in_detail() if ages is not None and ages.count else None)
        error = error or failed
        missing = active.unsaved_counts(counts) if error is not None else None
        self._has_reported_error = error is not None
        return Summary(
            active.id,
            self._record.folder,
            counts,
            result,
            active.tally.most_suspicious(),
            self._models.identities,
            self._models.classifier.engine_name,
            self._models.thresholds,
            interrupted,
            error,
            CameraAccount.of(self._watched, self.frame_ages),
            missing,
            self._record.disk.left_out,
        )
