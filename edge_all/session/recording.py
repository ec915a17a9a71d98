"""The record's thread of a session: what the analysis gives goes to disk, and is told afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from edge_all.cameras.camera import Camera
from edge_all.cameras.watched import WatchedCamera
from edge_all.errors import DiskFullError
from edge_all.record.camera_events import SESSION_PAUSED, SESSION_RESUMED, write_camera_event
from edge_all.record.clock import SessionTime, correct_times
from edge_all.record.known_fields import KnownFields
from edge_all.record.record import Record
from edge_all.record.rejudging import rejudge
from edge_all.record.rows import FrameEntry
from edge_all.session.analysis import FieldResult
from edge_all.session.announcing import Announcer
from edge_all.session.commands import NameSample, Pause, Resume
from edge_all.session.handover import Handover
from edge_all.session.hints import camera_hint, hint_of
from edge_all.session.pictures import NONE, Pictures
from edge_all.session.progress import Progress
from edge_all.session.step_times import StepTimes
from edge_all.session.tally import PAUSED
from edge_all.vocabulary import Counts, Frame, Unreadable

_RECORD_LOOKS_S = 0.5
_FILES_WAIT_FOR_ROOM_S = 60.0


@dataclass(frozen=True, eq=False)
class Handed:
    """What the analysis hands on, with the counts as of then."""

    what: FieldResult | Unreadable | NameSample | Pause | Resume
    counts: Counts
    pictures: Pictures = NONE


def _is_of_a_frame(handed: Handed) -> bool:
    return isinstance(handed.what, (FieldResult, Unreadable))


class Recording:
    """Made for one session, run in one thread."""

    def __init__(
        self,
        record: Record,
        session: str,
        camera: Camera,
        first_frame: int,
        results: Handover[Handed],
        times: StepTimes,
        announcer: Announcer | None,
        stopped: threading.Event,
        failed: Callable[[BaseException], None],
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        """first_frame: of the session's part since a restart. stopped: nobody waits for room any more. failed: told
        why it ended early. on_progress: called from this thread, after the frame is on disk."""
        self._record, self._session = record, session
        self._camera = camera
        self._watched = camera if isinstance(camera, WatchedCamera) else None
        self._first_frame = first_frame
        self._results = results
        self._times = times
        self._announcer = announcer
        self._stopped = stopped
        self._failed = failed
        self._on_progress = on_progress
        self._known_fields = KnownFields(record.folder, session)
        self._held: list[Progress] = []
        self._disk_told = (False, False)
        """Whether it was full, and whether it refused more, when progress was told last."""
        self._time = SessionTime()
        self._clock_moved = 0.0
        self._counts = Counts()
        """As last written."""
        self.sample: str | None = None
        """Named since the start."""

    def run(self) -> None:
        """Until the analysis hands on no more, or writing fails."""
        try:
            while (first := self._next_result()) is not None:
                self._look_at_clock()
                self._record.flush_if_due()
                for are_frames, items in groupby([first, *self._results.rest()], _is_of_a_frame):
                    if are_frames:
                        self._write_frames(list(items))
                    else:
                        for handed in items:
                            assert isinstance(handed.what, (NameSample, Pause, Resume))
                            self._write_event(handed.what)
            self._look_at_camera()
        except BaseException as error:
            self._results.close(discard=True)
            self._failed(error)

    def _write_frames(self, items: Sequence[Handed]) -> None:
        """All that waited goes to disk together and is told afterwards: the more waits, the less each costs."""
        with self._times.step("record", len(items)), self._record.together():
            for handed in items:
                self._write_one(handed.what, handed.pictures)  # type: ignore[arg-type]
        for handed in items:
            self._counts = handed.counts
            self.tell(self._progress(handed.what, handed.counts))  # type: ignore[arg-type]
        self._wait_for_room()

    def _write_event(self, event: NameSample | Pause | Resume) -> None:
        if not isinstance(event, NameSample):
            kind = SESSION_PAUSED if isinstance(event, Pause) else SESSION_RESUMED
            write_camera_event(self._record, self._session, self._time.wall(time.monotonic()), kind, {})
            return
        if self._announcer is not None:
            self._announcer.named(self._record, self._session, event.sample)
        self._record.name_sample(self._session, event.sample)
        self.sample = self.sample or event.sample

    def _look_at_camera(self) -> None:
        """Here, not in the analysis: a camera's loss is told while a field is still in work."""
        for event in self._watched.take_events() if self._watched is not None else ():
            write_camera_event(self._record, self._session, event.time + self._clock_moved, event.kind, event.detail)
            hint = camera_hint(event.state)
            self.tell(Progress(self._session, self._camera.uri, self._counts, (), camera=event, hint=hint))

    def _next_result(self) -> Handed | None:
        """What waits in the record does not wait for the next frame to be written."""
        while True:
            self._look_at_camera()
            try:
                return self._results.get(_RECORD_LOOKS_S)
            except TimeoutError:
                self._look_at_clock()
                self._record.flush_if_due()
                self._known_fields.write_if_due()

    def _look_at_clock(self) -> None:
        if (moved := self._time.look()) and self._camera.live:
            self._clock_moved += moved
            correct_times(self._record, self._session, moved, self._first_frame)

    def tell(self, progress: Progress | None) -> None:
        """Findings that wait for room on the disk are told when they are on it; counts go on."""
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
        if progress is None and (disk.full, disk.refuses) != self._disk_told:
            progress = Progress(self._session, self._camera.uri, self._counts, ())
        if self._on_progress is not None and progress is not None:
            self._disk_told = disk.full, disk.refuses
            self._on_progress(replace(progress, disk=disk))

    def _wait_for_room(self) -> None:
        """Where no more may wait in memory: a live camera's frames are dropped and counted in the meantime, files wait,
        and end the session when nobody makes room."""
        waited = 0.0
        while self._record.disk.refuses and not self._stopped.wait(_RECORD_LOOKS_S):
            waited += _RECORD_LOOKS_S
            self._record.flush()
            self.tell(None)
            if not self._camera.live and waited >= _FILES_WAIT_FOR_ROOM_S:
                raise DiskFullError(self._record.disk.in_words(), "free some space; what was recorded is safe")

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
            if result.skip.reason == PAUSED:  # counted only: an hour's break is no hundred thousand rows
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
        if result.known_field is not None:
            self._known_fields.note(frame.index, result.known_field)
        if any(cell.is_finding for cell in result.cells):
            record.keep_field(session, frame, pictures.field)
        if self._announcer is not None:
            self._announcer.found(record, session, result.cells, frame.time)
        record.write_cells(session, ((cell, pictures.crops.get(cell.number)) for cell in result.cells))
        rejudge(record, session, result.rejudged)
        record.note_views(session, result.views or {})
        record.mark_final(session, result.left)

    def _recorded_time(self, frame: Frame | Unreadable) -> float:
        return frame.time if frame.taken_s is None else self._time.wall(frame.taken_s)

    def _progress(self, result: FieldResult | Unreadable, counts: Counts) -> Progress:
        if isinstance(result, Unreadable):
            return Progress(self._session, result.source, counts, (), result.reason, hint=hint_of(result))
        findings = tuple(c for c in result.cells if c.is_finding)
        return Progress(self._session, result.frame.source, counts, findings, result=result, hint=hint_of(result))
