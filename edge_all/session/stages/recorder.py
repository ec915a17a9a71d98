"""Recording thread of a session: write the results of the analysis to disk, then report progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby

from edge_all.cameras.base import Camera
from edge_all.cameras.supervised import SupervisedCamera
from edge_all.domain.types import Counts, Frame, Unreadable
from edge_all.errors import DiskFullError
from edge_all.record.events.camera import SESSION_PAUSED, SESSION_RESUMED, write_camera_event
from edge_all.record.reclassify import reclassify
from edge_all.record.rows import FrameEntry
from edge_all.record.sessions.clock import SessionTime, correct_times
from edge_all.record.sessions.stage_state import StageState
from edge_all.record.store import Record
from edge_all.session.commands import NameSample, Pause, Resume
from edge_all.session.field_result import FieldResult
from edge_all.session.hints import camera_hint, hint_of
from edge_all.session.listener import TransactionListener
from edge_all.session.metrics.step_times import StepTimes
from edge_all.session.progress import Progress
from edge_all.session.stages.encode import Pictures
from edge_all.session.stages.items import RecordItem
from edge_all.session.stages.pipeline import Pipeline
from edge_all.session.tally import PAUSED

_RECORD_LOOKS_S = 0.5
_FILES_WAIT_FOR_ROOM_S = 60.0


def _is_of_a_frame(handed: RecordItem) -> bool:
    return isinstance(handed.payload, (FieldResult, Unreadable))


class RecordStage:
    """Recording stage of one session, run in its own thread."""

    def __init__(
        self,
        record: Record,
        session: str,
        camera: Camera,
        first_frame: int,
        pipeline: Pipeline,
        times: StepTimes,
        listener: TransactionListener | None,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        """Create the stage.

        Args:
            record: The open record.
            session: The session's id.
            camera: The session's camera.
            first_frame: First frame index since the session was started or resumed.
            pipeline: The session's queues. A session that stops ends any waiting for disk space.
            times: Timer of the steps.
            listener: Notified in the transaction that writes the rows, if any.
            on_progress: Called from this thread after the frame is on disk.
        """
        self._record, self._session = record, session
        self._camera = camera
        self._watched = camera if isinstance(camera, SupervisedCamera) else None
        self._first_frame = first_frame
        self._pipeline = pipeline
        self._times = times
        self._listener = listener
        self._on_progress = on_progress
        self._known_fields = StageState(record.folder, session)
        self._held: list[Progress] = []
        self._disk_reported = (False, False)
        """The disk's `full` and `refuses` flags in the last progress report."""
        self._time = SessionTime()
        self._clock_moved = 0.0
        self._counts = Counts()
        """The counts that were written last."""
        self.sample: str | None = None
        """The sample name given since the start, if any."""

    def run(self) -> None:
        """Write results until the queue is closed or writing fails."""
        try:
            while (first := self._next_result()) is not None:
                self._look_at_clock()
                self._record.flush_if_due()
                for are_frames, items in groupby([first, *self._pipeline.results.rest()], _is_of_a_frame):
                    if are_frames:
                        self._write_frames(list(items))
                    else:
                        for handed in items:
                            assert isinstance(handed.payload, (NameSample, Pause, Resume))
                            self._write_event(handed.payload)
            self._look_at_camera()
        except BaseException as error:
            self._pipeline.results.close(discard=True)
            self._pipeline.fail(error)

    def _write_frames(self, items: Sequence[RecordItem]) -> None:
        """Write all queued frames in one transaction, then report them.

        The more frames are queued, the less each one costs.
        """
        with self._times.step("record", len(items)), self._record.together():
            for handed in items:
                self._write_one(handed.payload, handed.pictures)  # type: ignore[arg-type]
        for handed in items:
            self._counts = handed.counts
            self.report(self._progress(handed.payload, handed.counts))  # type: ignore[arg-type]
        self._wait_for_room()

    def _write_event(self, event: NameSample | Pause | Resume) -> None:
        if not isinstance(event, NameSample):
            kind = SESSION_PAUSED if isinstance(event, Pause) else SESSION_RESUMED
            write_camera_event(self._record, self._session, self._time.wall(time.monotonic()), kind, {})
            return
        if self._listener is not None:
            self._listener.named(self._record, self._session, event.sample)
        self._record.name_sample(self._session, event.sample)
        self.sample = self.sample or event.sample

    def _look_at_camera(self) -> None:
        """Record and report camera events.

        This runs here, not in the analysis, so that a lost camera is reported while a field is still being analyzed.
        """
        for event in self._watched.take_events() if self._watched is not None else ():
            write_camera_event(self._record, self._session, event.time + self._clock_moved, event.kind, event.detail)
            hint = camera_hint(event.state)
            self.report(Progress(self._session, self._camera.uri, self._counts, (), camera=event, hint=hint))

    def _next_result(self) -> RecordItem | None:
        """Wait for the next result, and flush the record's write buffer when that is due."""
        while True:
            self._look_at_camera()
            try:
                return self._pipeline.results.get(_RECORD_LOOKS_S)
            except TimeoutError:
                self._look_at_clock()
                self._record.flush_if_due()
                self._known_fields.write_if_due()

    def _look_at_clock(self) -> None:
        if (moved := self._time.check()) and self._camera.live:
            self._clock_moved += moved
            correct_times(self._record, self._session, moved, self._first_frame)

    def report(self, progress: Progress | None) -> None:
        """Report progress.

        While the disk is full, counts are still reported, but findings are held back until they are on disk.
        """
        disk = self._record.disk
        if disk.full:
            if progress is not None:
                self._held.append(replace(progress, result=None))
                progress = replace(progress, findings=(), result=None)
        else:
            held, self._held = self._held, []
            for earlier in held:
                if self._on_progress is not None and earlier.findings:
                    self._on_progress(replace(earlier, disk=disk))
        if progress is None and (disk.full, disk.refuses) != self._disk_reported:
            progress = Progress(self._session, self._camera.uri, self._counts, ())
        if self._on_progress is not None and progress is not None:
            self._disk_reported = disk.full, disk.refuses
            self._on_progress(replace(progress, disk=disk))

    def _wait_for_room(self) -> None:
        """Wait for disk space if no more results can be held in memory.

        Frames of a live camera are dropped and counted during the wait. Files wait, and the session ends if no space
        is freed in time.

        Raises:
            DiskFullError: when files have waited too long.
        """
        waited = 0.0
        while self._record.disk.refuses and not self._pipeline.stopped.wait(_RECORD_LOOKS_S):
            waited += _RECORD_LOOKS_S
            self._record.flush()
            self.report(None)
            if not self._camera.live and waited >= _FILES_WAIT_FOR_ROOM_S:
                raise DiskFullError(self._record.disk.in_words(), "free some disk space; recorded data is safe")

    def _write_one(self, result: FieldResult | Unreadable, pictures: Pictures) -> None:
        record, session = self._record, self._session
        if isinstance(result, Unreadable):
            record.write_frame(
                session,
                FrameEntry(
                    result.index, result.source, self._recorded_time(result), None, None, "unreadable", result.reason
                ),
            )
            return
        frame, field = result.frame, result.field
        entry = FrameEntry(
            frame.index, frame.source, self._recorded_time(frame), frame.width_px, frame.height_px, "skipped", ""
        )
        if result.skip is not None:
            if result.skip.reason == PAUSED:  # only counted, so that a pause of an hour does not add 100,000 rows
                return
            quality = result.skip.quality
            record.write_frame(
                session,
                replace(entry, reason=result.skip.reason, sharpness=None if quality is None else quality.sharpness),
            )
            return
        assert field is not None
        record.write_frame(
            session,
            replace(
                entry,
                status="analysed",
                reason=", ".join(field.quality.reasons),
                um_per_px=field.um_per_px,
                scale_source=field.scale_source,
                sharpness=field.quality.sharpness,
                region=field.region,
                place_um=field.place_um,
            ),
        )
        if result.stage_field is not None:
            self._known_fields.note(frame.index, result.stage_field)
        if any(cell.is_finding for cell in result.cells):
            record.keep_field(session, frame, pictures.field)
        if self._listener is not None:
            self._listener.found(record, session, result.cells, frame.time)
        record.write_cells(session, ((cell, pictures.crops.get(cell.number)) for cell in result.cells))
        reclassify(record, session, result.reclassified)
        record.note_views(session, result.views or {})
        record.mark_final(session, result.left)

    def _recorded_time(self, frame: Frame | Unreadable) -> float:
        return frame.time if frame.taken_s is None else self._time.wall(frame.taken_s)

    def _progress(self, result: FieldResult | Unreadable, counts: Counts) -> Progress:
        if isinstance(result, Unreadable):
            return Progress(self._session, result.source, counts, (), result.reason, hint=hint_of(result))
        findings = tuple(c for c in result.cells if c.is_finding)
        return Progress(self._session, result.frame.source, counts, findings, result=result, hint=hint_of(result))
