"""Events of a session's camera: settings, gaps and returns."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_all.record.store import Record

SESSION_PAUSED = "session paused"
SESSION_RESUMED = "session resumed"
"""Events of the session itself rather than the camera. They explain why no frames were recorded in between."""


@dataclass(frozen=True)
class RecordedCameraEvent:
    """One recorded event."""

    time: float
    """Seconds since the epoch."""
    kind: str
    """Kind as defined in cameras/events.py, or one of the constants above."""
    detail: Mapping[str, Any]
    """Details as defined in cameras/events.py."""


def write_camera_event(record: Record, session: str, time: float, kind: str, detail: Mapping[str, Any]) -> None:
    """Write a camera event; on disk when this returns, if the disk has space.

    It is flushed because a lost camera may be the start of a power cut. Camera settings are also stored with the
    session's settings.
    """
    record.queue(
        "INSERT INTO camera_event (session, time, kind, detail) VALUES (?, ?, ?, ?)",
        (session, time, kind, json.dumps(dict(detail), ensure_ascii=False)),
    )
    if kind == "settings":
        record.note_settings(session, "camera", detail)
    record.flush()


def camera_events(record: Record, session: str) -> list[RecordedCameraEvent]:
    """Return the events of a session in order; there are none for a session of files."""
    rows = record.rows("SELECT time, kind, detail FROM camera_event WHERE session = ? ORDER BY id", (session,))
    return [RecordedCameraEvent(at, kind, json.loads(detail)) for at, kind, detail in rows]


def pauses(record: Record, session: str) -> list[tuple[float, float]]:
    """Return start and end of each pause of a session; the end is infinite if it was not resumed."""
    spans: list[tuple[float, float]] = []
    started: float | None = None
    for event in camera_events(record, session):
        if event.kind == SESSION_PAUSED:
            started = event.time
        elif event.kind == SESSION_RESUMED and started is not None:
            spans.append((started, event.time))
            started = None
    return spans if started is None else [*spans, (started, math.inf)]
