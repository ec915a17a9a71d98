"""Start and end of a session in the record: a new session, or an interrupted one that is resumed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping

from edge_all.domain.statistics import result_words
from edge_all.domain.types import Counts
from edge_all.errors import EdgeAllError
from edge_all.record.events.camera import write_camera_event
from edge_all.record.recovery.rebuild import note_doubts
from edge_all.record.rows import SessionInfo
from edge_all.record.sessions.lock import SessionLock
from edge_all.record.sessions.resume import (
    OpenSession,
    end_interrupted,
    find_open_session,
    read_open_session,
    resume_session,
    why_not_resumable,
)
from edge_all.record.sessions.stage_state import forget_stage_state
from edge_all.record.store import Record
from edge_all.session.listener import TransactionListener
from edge_all.session.tally import Tally
from edge_all.session.unsaved import UnsavedCounts, unsaved_counts


def session_to_resume(
    record: Record, info: SessionInfo, listener: TransactionListener | None = None
) -> OpenSession | None:
    """Return the newest unfinished session of this camera, or None to start a new one.

    A session can be resumed only if the loaded models classify as before. Otherwise it is closed with its current
    counts, the reason is recorded, and the listener is notified.
    """
    row = find_open_session(record, info.camera)
    if row is None:
        return None
    opened = read_open_session(record, row)
    if why := why_not_resumable(row, info):
        end_without_resuming(record, opened, why, listener)
        return None
    return opened


def end_without_resuming(record: Record, opened: OpenSession, why: str, listener: TransactionListener | None) -> None:
    """Close an interrupted session and announce its summary like any other. It is on disk on return."""
    result = result_words(opened.counts)
    if listener is not None:
        listener.ended(record, opened.row.id, opened.counts, result, True)
    end_interrupted(record, opened, result, why)


class ActiveSession:
    """The started session in the record: its id, its counts so far, and its first frame."""

    def __init__(
        self,
        record: Record,
        info: SessionInfo,
        opened: OpenSession | None,
        listener: TransactionListener | None = None,
    ) -> None:
        """Create the session's row, or resume the opened session.

        Args:
            record: The open record.
            info: The session's row.
            opened: The interrupted session to resume, or None to start a new one.
            listener: Notified of the start and of the end, if any.

        Raises:
            RecordError: when another program is writing the session.
        """
        self._record, self._listener = record, listener
        if opened is None:
            self.id = record.begin_session(info)
            self._lock = SessionLock(record.folder, self.id)
            self.tally, self.first_frame = Tally(), 0
        else:
            self.id = opened.row.id
            self._lock = SessionLock(record.folder, self.id)
            resume_session(record, opened, info)
            self.tally = Tally.restored(opened.counts, opened.labels, opened.suspicious, opened.kinds, opened.reasons)
            self.first_frame = opened.next_frame

    def announce(self, info: SessionInfo, opened: OpenSession | None) -> None:
        """Notify the listener of the start. It is on disk on return."""
        if self._listener is not None:
            known = None if opened is None else frozenset(cell.number for cell in opened.findings)
            self._listener.begun(self._record, self.id, info, known)
            self._record.flush()

    def end(
        self, counts: Counts, result: str, interrupted: bool, frame_ages: Mapping[str, float] | None
    ) -> EdgeAllError | None:
        """Write the end of the session.

        Args:
            counts: The final counts.
            result: The result in words.
            interrupted: True if the session ended early.
            frame_ages: Ages of a live camera's frames, stored as a camera event; None for other cameras.

        Returns:
            The error if the end could not be written.
        """
        record = self._record
        try:
            if frame_ages is not None:
                write_camera_event(record, self.id, time.time(), "ages", frame_ages)
            if self._listener is not None:
                self._listener.ended(record, self.id, counts, result, interrupted)
            record.end_session(self.id, counts, result, interrupted)
            forget_stage_state(record.folder, self.id)
        except EdgeAllError as error:
            if record.is_set_aside:  # another record is at its path now
                forget_stage_state(record.folder, self.id)
            return error
        return None

    def unsaved_counts(self, counts: Counts) -> UnsavedCounts | None:
        """Return the counts that are not on disk, and note in the record that some are missing."""
        missing = unsaved_counts(self._record, self.id, counts)
        if missing is not None:
            with contextlib.suppress(EdgeAllError):  # shown with the session now, not only after the next start
                note_doubts(self._record)
        return missing

    def release(self) -> None:
        """Release the session's lock."""
        self._lock.release()
