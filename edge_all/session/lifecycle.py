"""Start of a session in the record: a new session, or an interrupted one that is resumed."""

from __future__ import annotations

from edge_all.domain.statistics import result_words
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
from edge_all.record.store import Record
from edge_all.session.listener import TransactionListener
from edge_all.session.tally import Tally


def session_to_resume(
    record: Record, info: SessionInfo, listener: TransactionListener | None = None
) -> OpenSession | None:
    """Return the newest unfinished session of this camera, or None to start a new one.

    A session can be resumed only if the loaded models classify as before. Otherwise it is closed with its current
    counts, the reason is recorded, and the announcer is notified.
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
    """The started session: its id, its counts so far, and its first frame."""

    def __init__(self, record: Record, info: SessionInfo, opened: OpenSession | None) -> None:
        """Create the session's row, or resume the opened session.

        Raises:
            RecordError: when another program is writing the session.
        """
        if opened is None:
            self.id = record.begin_session(info)
            self._lock = SessionLock(record.folder, self.id)
            self.tally, self.first_frame = Tally(), 0
        else:
            self.id = opened.row.id
            self._lock = SessionLock(record.folder, self.id)
            resume_session(record, opened, info)
            self.tally = Tally.restored(opened.counts, opened.labels, opened.findings)
            self.first_frame = opened.next_frame

    def release(self) -> None:
        """Release the session's lock."""
        self._lock.release()
