"""Deletion of a session's pictures. The person, the reason, the counts and the audit trail are kept."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import time
from dataclasses import dataclass

from edge_all.errors import ReviewError
from edge_all.record.events.verdicts import Reviewer, refuse_running, standing_approval
from edge_all.record.store import Record
from edge_all.record.write.sidecar import note_rows

_REASON_LENGTH = 1000


@dataclass(frozen=True)
class Deletion:
    """Deletion of a session's pictures, with the person, time and reason."""

    session: str
    reviewer: str
    proven: bool
    time: float
    reason: str


def deletions(record: Record) -> dict[str, Deletion]:
    """Return the last deletion of each session, by session id."""
    rows = record.rows("SELECT session, reviewer, proven, time, reason FROM deletion ORDER BY id", ())
    return {r[0]: Deletion(r[0], r[1], bool(r[2]), r[3], r[4]) for r in rows}


def delete_pictures(record: Record, session: str, reviewer: Reviewer, reason: str) -> None:
    """Delete the crops and fields of a session; the rows of cells, verdicts and approvals are kept.

    The row with the reason is on disk before the first file is deleted.

    Raises:
        ReviewError: when there is no reason, or the session is approved, running or already deleted.
    """
    reason = reason.strip()
    if not reason or len(reason) > _REASON_LENGTH:
        raise ReviewError("a deletion needs a reason", f"enter one of at most {_REASON_LENGTH} characters")
    if standing_approval(record, session) is not None:
        raise ReviewError("the session is approved and locked", "reopen it first; the audit trail will show this")
    with record.transaction() as database:
        refuse_running(database, session)
        _refuse_deleted(database, session)
        database.execute(
            "INSERT INTO deletion (session, reviewer, proven, time, reason) VALUES (?, ?, ?, ?, ?)",
            (session, reviewer.name, int(reviewer.proven), time.time(), reason),
        )
        database.execute("UPDATE cell SET crop = NULL WHERE session = ?", (session,))
        database.execute("DELETE FROM picture WHERE session = ?", (session,))
    note_rows(record, session, "deletion")
    for kind in ("crops", "fields"):
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(record.folder / kind / session)


def _refuse_deleted(database: sqlite3.Connection, session: str) -> None:
    """Raise ReviewError if the pictures are deleted; a session resumed after its deletion has pictures again."""
    before = database.execute(
        "SELECT reviewer FROM deletion WHERE session = ?1 AND NOT EXISTS (SELECT 1 FROM picture WHERE session = ?1) "
        "AND NOT EXISTS (SELECT 1 FROM cell WHERE session = ?1 AND crop IS NOT NULL) ORDER BY id DESC LIMIT 1",
        (session,),
    ).fetchone()
    if before is not None:
        raise ReviewError(
            f"the pictures of session {session} were already deleted by {before[0]}", "there are none left"
        )
