"""What happened to the record itself, so that nothing is changed or lost unsaid: rows that are only ever added."""

from __future__ import annotations

import time
from dataclasses import dataclass

from edge_all.record.record import Record

RESUMED = "resumed"
CUT_OFF = "cut off"


@dataclass(frozen=True)
class Incident:
    """One of them. session: None for the record as a whole."""

    time: float
    session: str | None
    kind: str
    text: str


def note_incident(record: Record, kind: str, text: str, session: str | None = None) -> None:
    """Queued with the rows that wait; on disk after the next flush."""
    record.queue(
        "INSERT INTO incident (time, session, kind, text) VALUES (?, ?, ?, ?)", (time.time(), session, kind, text)
    )


def incidents(record: Record, session: str | None = None) -> list[Incident]:
    """All, or those of a session and of the record as a whole; the oldest first."""
    where, values = ("WHERE session = ? OR session IS NULL", (session,)) if session is not None else ("", ())
    rows = record.rows(f"SELECT time, session, kind, text FROM incident {where} ORDER BY id", values)
    return [Incident(*row) for row in rows]
