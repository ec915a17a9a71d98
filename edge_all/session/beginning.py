"""How a session comes to stand in the record: begun anew, or the one that was cut off gone on with."""

from __future__ import annotations

from edge_all.record.record import Record
from edge_all.record.reopening import (
    OpenSession,
    end_cut_off,
    find_open_session,
    read_open_session,
    resume_session,
    why_not_resumable,
)
from edge_all.record.rows import SessionInfo
from edge_all.record.session_lock import SessionLock
from edge_all.session.announcing import Announcer
from edge_all.session.differential import result_words
from edge_all.session.tally import Tally


def session_to_resume(record: Record, info: SessionInfo, announcer: Announcer | None = None) -> OpenSession | None:
    """The newest session of this camera without an end, where what is loaded judges as it was judged so far; one that
    cannot go on is ended with the counts it has, why is noted, and the announcer told. None: begin a new one."""
    row = find_open_session(record, info.camera)
    if row is None:
        return None
    opened = read_open_session(record, row)
    if why := why_not_resumable(row, info):
        end_without_going_on(record, opened, why, announcer)
        return None
    return opened


def end_without_going_on(record: Record, opened: OpenSession, why: str, announcer: Announcer | None) -> None:
    """Close a session that was cut off; its summary is told as that of any other. On disk when it returns."""
    result = result_words(opened.counts)
    if announcer is not None:
        announcer.ended(record, opened.row.id, opened.counts, result, True)
    end_cut_off(record, opened, result, why)


class Standing:
    """A session's id, its counts so far, and the frame it begins with."""

    def __init__(self, record: Record, info: SessionInfo, opened: OpenSession | None) -> None:
        """Raises RecordError when another program writes the session meanwhile."""
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
        """The session is no longer written."""
        self._lock.release()
