"""Incidents of the record itself, so that nothing is changed or lost silently. Rows are only ever added."""

from __future__ import annotations

import time
from dataclasses import dataclass

from edge_all.record.store import Record

RESUMED = "resumed"
CUT_OFF = "cut off"
REPAIRED = "repaired"
REBUILT = "rebuilt"
LOG_DAMAGED = "log damaged"
COUNT_IN_DOUBT = "count in doubt"
"""Shown wherever a session's counts are shown."""


@dataclass(frozen=True)
class Incident:
    """One incident."""

    time: float
    """Seconds since the epoch."""
    session: str | None
    """Session concerned; None for the record as a whole."""
    kind: str
    text: str


def note_incident(record: Record, kind: str, text: str, session: str | None = None) -> None:
    """Queue an incident with the waiting rows; on disk after the next flush."""
    record.queue(
        "INSERT INTO incident (time, session, kind, text) VALUES (?, ?, ?, ?)", (time.time(), session, kind, text)
    )


def doubts(record: Record, session: str) -> list[str]:
    """Return the reasons why a session's counts are unreliable; empty for nearly all sessions."""
    return [i.text for i in incidents(record, session) if i.kind == COUNT_IN_DOUBT]


def incidents(record: Record, session: str | None = None) -> list[Incident]:
    """Return all incidents, or those of a session and of the record as a whole, oldest first."""
    where, values = ("WHERE session = ? OR session IS NULL", (session,)) if session is not None else ("", ())
    rows = record.rows(f"SELECT time, session, kind, text FROM incident {where} ORDER BY id", values)
    return [Incident(*row) for row in rows]
