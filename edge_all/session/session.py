"""A session: the analysis of one smear from start to stop, in four threads connected by bounded queues."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from edge_all._version import __version__
from edge_all.calibration.model import NONE
from edge_all.calibration.store import CalibrationStore
from edge_all.cameras.base import Camera
from edge_all.cameras.events import CameraState
from edge_all.cameras.supervised import SupervisedCamera
from edge_all.domain.statistics import result_words
from edge_all.domain.types import Frame, Unreadable
from edge_all.errors import EdgeAllError, RecordError
from edge_all.field.gate import Skip
from edge_all.hardware.malloc import keep_freed_memory
from edge_all.profile import Profile
from edge_all.record.events.camera import write_camera_event
from edge_all.record.recovery.rebuild import note_doubts
from edge_all.record.recovery.startup import start_record
from edge_all.record.rows import SessionInfo
from edge_all.record.sessions.stage_state import forget_stage_state
from edge_all.record.store import Record
from edge_all.record.write.disk_full import MOST_WAITING_BYTES, DiskState
from edge_all.session.calibration import CalibrationWatch, for_record, load_for
from edge_all.session.commands import CommandQueue, NameSample, Pause, Resume, Start, Stop
from edge_all.session.field_result import FieldResult, Located
from edge_all.session.hints import camera_hint
from edge_all.session.lifecycle import ActiveSession, session_to_resume
from edge_all.session.listener import TransactionListener
from edge_all.session.metrics.frame_age import FrameAges
from edge_all.session.metrics.step_times import OFF, StepTimes
from edge_all.session.operator import Operator, operator_settings
from edge_all.session.progress import CameraAccount, Progress, Summary
from edge_all.session.stages.analysis import Analysis, load_models_in_use
from edge_all.session.stages.bounded_queue import BoundedQueue, QueueUse
from edge_all.session.stages.capture import Capturing
from edge_all.session.stages.classify import ClassifyStage, Seen
from edge_all.session.stages.recorder import Recording, RecordItem
from edge_all.session.tally import PAUSED, Tally
from edge_all.session.unsaved import unsaved_counts

_RECORD_QUEUE = 4
_COMMANDS_SEEN_S = 0.1
"""Longest delay before a command is handled, even if the camera is silent."""


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
        profile: Profile | None = None,
        *,
        models: Path | None = None,
        sample: str | None = None,
        blast_threshold: float | None = None,
        um_per_px: float | None = None,
        max_frames: int | None = None,
        stop_at: int | None = None,
        wait_for_engine: bool = False,
        times: StepTimes = OFF,
        commands: CommandQueue | None = None,
        keep_all_crops: bool = False,
        resume: bool = False,
        on_heartbeat: Callable[[], None] = lambda: None,
        listener: TransactionListener | None = None,
        calibrations: CalibrationStore | None = None,
        operator: Operator | None = None,
        skip_integrity_check: bool = False,
    ) -> None:
        """Load the models, open the record, and find the session to resume, if any.

        Args:
            camera: An opened camera that is not started yet.
            record_folder: Folder of the record.
            profile: Device settings, or None for the defaults.
            models: Folder of the model set, or None for the set in use.
            sample: Sample id. If None, a resumed session keeps its own.
            blast_threshold: Blast probability threshold, or None for the model's own.
            um_per_px: Image scale in micrometers per pixel; takes precedence over the calibration and the profile.
            max_frames: Number of frames to read, or None for all.
            stop_at: Stop after the field in which this many leukocytes are counted.
            wait_for_engine: Build the TensorRT engine before the first frame.
            times: Timer of the steps.
            commands: Queue of commands, handled between frames.
            keep_all_crops: Save crops of all cells for a reviewer, not only of findings.
            resume: Resume this camera's interrupted session, if there is one.
            turned: Called on every iteration of the analysis loop, even without a frame.
            announcer: Listener notified inside the transaction that writes the rows.
            calibrations: Store of the bench's calibration, or None to use no calibration.
            operator: The person who starts the session, recorded with it.
            skip_integrity_check: Skip the full integrity check because it ran recently.

        Raises:
            ModelError: when no model set can be loaded.
            EngineUnavailableError: when the requested engine is not available.
            RecordError: when the record cannot be opened.
            UsageError: when the options are not valid.
        """
        keep_freed_memory()
        self._camera = camera
        self._profile = profile if profile is not None else Profile()
        self._max_frames, self._stop_at = max_frames, stop_at
        scale = um_per_px if um_per_px is not None else self._profile.um_per_px
        self._scale_is_given = um_per_px is not None
        self._calibrations = calibrations
        self._models = load_models_in_use(models, self._profile, blast_threshold, wait_for_engine=wait_for_engine)
        self._times = times
        self._commands = commands if commands is not None else CommandQueue()
        self._on_heartbeat = on_heartbeat
        self._listener = listener
        self._paused = False
        try:
            start_record(record_folder, thorough=not skip_integrity_check)
            self._record = Record.open(record_folder, most_waiting_bytes=MOST_WAITING_BYTES)
        except BaseException:
            self._models.close()
            raise
        optics = {"optics": {"objective": self._profile.objective}}
        self._info = SessionInfo(
            sample=sample,
            camera=camera.uri,
            profile=self._profile.name,
            models=self._models.identities,
            engine=self._models.classifier.engine_name,
            thresholds=self._models.thresholds,
            um_per_px=scale,
            version=__version__,
            settings=(optics if self._profile.objective else {}) | operator_settings(operator),
        )
        try:
            self._opened = session_to_resume(self._record, self._info, listener) if resume else None
        except BaseException:
            self.close()
            raise
        self._analysis = Analysis(
            self._profile,
            self._models,
            scale,
            camera.independent_fields,
            times,
            keep_all_crops,
            self._opened.last_number if self._opened else 0,
            self._opened.smear if self._opened else None,
        )
        self._tally = Tally()
        self._first_frame = 0
        self._active_session: ActiveSession | None = None
        self._recording: Recording | None = None
        self._classify_stage: ClassifyStage | None = None
        self._stopped = threading.Event()
        self._by_user = self._has_reported_error = False
        self._errors: list[BaseException] = []
        self._watched = camera if isinstance(camera, SupervisedCamera) else None
        self._ages = FrameAges()
        # Only the newest frame of a live camera is queued, so that the analysis sees what is under the objective now.
        self._frames: BoundedQueue[Frame | Unreadable] = BoundedQueue(
            1 if camera.live else self._profile.queue_frames, drop_oldest=camera.live
        )
        self._located: BoundedQueue[Seen] = BoundedQueue(1)
        self._results: BoundedQueue[RecordItem] = BoundedQueue(_RECORD_QUEUE)
        self.id = ""

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
            if self._active_session is not None:
                self._active_session.release()

    @property
    def engines_in_words(self) -> str:
        """The engines in use, and why a faster one is not used."""
        return self._models.engines_in_words

    @property
    def sample(self) -> str | None:
        """The sample id: given at the start, named since, or restored from before a restart."""
        restored = self._opened.row.sample if self._opened is not None else None
        named = self._recording.sample if self._recording is not None else None
        return named or self._info.sample or restored

    @property
    def is_resumed(self) -> bool:
        """True if this is a resumed session, not a new one."""
        return self._opened is not None

    @property
    def frame_queue(self) -> QueueUse:
        """Usage of the queue before the analysis."""
        return self._frames.use

    @property
    def record_queue(self) -> QueueUse:
        """Usage of the queue before the record. A record that falls behind fills it and delays the analysis."""
        return self._results.use

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
        of_frame = self._classify_stage.hint if self._classify_stage is not None else ""
        return camera_hint(self.camera_state) or of_frame

    @property
    def frame_ages(self) -> FrameAges:
        """Age of a live camera's frames when their analysis starts."""
        return self._ages

    @property
    def paused(self) -> bool:
        """True while the analysis is paused."""
        return self._paused

    @property
    def stopping(self) -> bool:
        """True while the last frame is being analyzed, and after the session has ended."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Stop after the current frame. Safe to call from any thread and from a signal handler."""
        self._by_user = True
        self._stopped.set()

    def run(self, on_progress: Callable[[Progress], None] | None = None) -> Summary:
        """Run until the stream ends, stop() is called or an error occurs; the summary shows which.

        `on_progress` is called from the recording thread after the frame is on disk.
        """
        self._camera.start()
        calibration = NONE
        if self._calibrations is not None:  # some cameras know their serial number only once started
            calibration = load_for(self._camera, self._calibrations, self._scale_is_given)
        if calibration.parts:
            settings = {**self._info.settings, "calibration": for_record(calibration)}
            self._info = replace(self._info, settings=settings)
        self._active_session = ActiveSession(self._record, self._info, self._opened)
        self.id, self._tally, self._first_frame = (
            self._active_session.id,
            self._active_session.tally,
            self._active_session.first_frame,
        )
        errors, stopped, frames = self._errors, self._stopped, self._frames

        def failed(
            error: BaseException,
        ) -> None:  # not a method, so that session and recording do not keep each other alive
            errors.append(error)
            stopped.set()
            frames.close(discard=True)

        recording = self._recording = Recording(
            self._record,
            self.id,
            self._camera,
            self._first_frame,
            self._results,
            self._times,
            self._listener,
            self._stopped,
            failed,
            on_progress,
        )
        if calibration.parts:
            self._analysis.use(calibration)
            if self._opened is not None:
                self._record.note_settings(self.id, "calibration", for_record(calibration))
        if self._listener is not None:
            known = None if self._opened is None else frozenset(c.number for c in self._opened.findings)
            self._listener.begun(self._record, self.id, self._info, known)
            self._record.flush()
        capturing = Capturing(
            self._camera, self._first_frame, self._max_frames, frames, self._times, stopped, errors.append
        )
        capture = threading.Thread(target=capturing.run, name="camera", daemon=True)
        recorder = threading.Thread(target=recording.run, name="record", daemon=True)
        classify_stage = self._classify_stage = ClassifyStage(
            self._analysis,
            self._tally,
            self._located,
            self._results,
            self._times,
            self._stop_at,
            CalibrationWatch(calibration) if calibration.parts else None,
            stopped.set,
            failed,
        )
        judge = threading.Thread(target=classify_stage.run, name="judge", daemon=True)
        for thread in (capture, judge, recorder):
            thread.start()
        try:
            self._analyse(classify_stage)
        except BaseException as error:
            self._errors.append(error)
        self._stopped.set()
        self._frames.close(discard=True)
        self._located.close()
        judge.join()
        self._results.close()
        if self._watched is not None:  # its read may be waiting for a lost camera or for a file
            self._watched.stop()
        recorder.join()
        try:
            # Write the end first, so that a quick exit of the program does not have to wait for a slow read.
            summary = self._ended()
        finally:
            # A driver that never returns from a read must not delay the summary.
            capture.join(5.0 if self._camera.live else None)
            self._camera.stop()
        recording.tell(None)
        return summary

    # -- analysis, in the caller's thread --------------------------------------------------------------------

    def _analyse(self, classify_stage: ClassifyStage) -> None:
        dropped = put = classified = 0
        while not self._stopped.is_set():
            # No heartbeat if the classifier has not advanced since the last iteration, as it may hang in its engine.
            if classify_stage.finished != classified or classify_stage.finished == put:
                self._on_heartbeat()
            classified = classify_stage.finished
            put += self._obey()
            if self._paused and not self._camera.live:
                self._commands.wait(_COMMANDS_SEEN_S)
                continue
            try:
                frame = self._times.timed("take", lambda: self._frames.get(_COMMANDS_SEEN_S))
            except TimeoutError:
                continue
            if frame is None:
                return
            so_far = self._frames.dropped + (self._watched.dropped if self._watched is not None else 0)
            self._ages.add(frame)
            if isinstance(frame, Unreadable):
                seen: FieldResult | Located | Unreadable = frame
            elif self._paused:
                seen = FieldResult(frame, skip=Skip(frame.index, frame.source, PAUSED))
            else:
                seen = self._analysis.locate(frame)
            self._located.wait_for_room()
            with self._times.step("pass on"):
                self._located.put((seen, so_far - dropped))
            dropped, put = so_far, put + 1

    def _obey(self) -> int:
        """Handle the queued commands. Returns the number of commands that were passed on."""
        passed_on = 0
        taken = self._commands.take()
        for at, command in enumerate(taken):
            if isinstance(command, Start):  # the next sample, which the station starts after this session
                self._commands.put_back(taken[at:])
                self.stop()
                break
            if isinstance(command, Stop):
                self.stop()
            elif isinstance(command, (Pause, Resume)):
                if self._paused is not (pauses := isinstance(command, Pause)):
                    self._paused = pauses
                    self._located.put((command, 0))
                    passed_on += 1
            elif isinstance(command, NameSample):
                self._located.put((command, 0))
                passed_on += 1
        return passed_on

    def _ended(self) -> Summary:
        errors = [e for e in self._errors if not isinstance(e, EdgeAllError)]
        if errors:  # an internal error is never hidden behind a summary
            raise errors[0]
        error = next((e for e in self._errors if isinstance(e, EdgeAllError)), None)
        counts = self._tally.counts()
        result = result_words(counts)
        interrupted = self._by_user or error is not None
        try:
            if self._ages.count and self._watched is not None:
                write_camera_event(self._record, self.id, time.time(), "ages", self._ages.in_detail())
            if self._listener is not None:
                self._listener.ended(self._record, self.id, counts, result, interrupted)
            self._record.end_session(self.id, counts, result, interrupted)
            forget_stage_state(self._record.folder, self.id)
        except EdgeAllError as failed:
            error = error or failed
            if self._record.is_set_aside:  # another record is at its path now
                forget_stage_state(self._record.folder, self.id)
        missing = unsaved_counts(self._record, self.id, counts) if error is not None else None
        if missing is not None:
            with contextlib.suppress(EdgeAllError):  # shown with the session now, not only after the next start
                note_doubts(self._record)
        self._has_reported_error = error is not None
        return Summary(
            self.id,
            self._record.folder,
            counts,
            result,
            self._tally.most_suspicious(),
            self._models.identities,
            self._models.classifier.engine_name,
            self._models.thresholds,
            interrupted,
            error,
            self._camera_account(),
            missing,
            self._record.disk.left_out,
        )

    def _camera_account(self) -> CameraAccount | None:
        camera, ages = self._watched, self._ages
        if camera is None:
            return None
        return CameraAccount(camera.reconnects, camera.lost_s, ages.mean_s, ages.worst_s)
