"""What befell a session's camera: its settings, gaps, returns."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_all.record.record import Record

SESSION_PAUSED = "session paused"
SESSION_RESUMED = "session resumed"
"""The session's doing, not the camera's: why no frame was recorded meanwhile."""


@dataclass(frozen=True)
class RecordedCameraEvent:
    """kind and detail: as cameras/camera_state.py has them, or one of those above. time: seconds since the epoch."""

    time: float
    kind: str
    detail: Mapping[str, Any]


def write_camera_event(record: Record, session: str, time: float, kind: str, detail: Mapping[str, Any]) -> None:
    """On disk when this returns, where it has room: a camera that is lost may be a power cut that begins. What a
    camera is set to stands among the session's settings too."""
    record.queue(
        "INSERT INTO camera_event (session, time, kind, detail) VALUES (?, ?, ?, ?)",
        (session, time, kind, json.dumps(dict(detail), ensure_ascii=False)),
    )
    if kind == "settings":
        record.note_settings(session, "camera", detail)
    record.flush()


def camera_events(record: Record, session: str) -> list[RecordedCameraEvent]:
    """In order; none for a session of files."""
    rows = record.rows("SELECT time, kind, detail FROM camera_event WHERE session = ? ORDER BY id", (session,))
    return [RecordedCameraEvent(at, kind, json.loads(detail)) for at, kind, detail in rows]


def pauses(record: Record, session: str) -> list[tuple[float, float]]:
    """From when to when a session was paused; without end where nobody let it go on."""
    spans: list[tuple[float, float]] = []
    begun: float | None = None
    for event in camera_events(record, session):
        if event.kind == SESSION_PAUSED:
            begun = event.time
        elif event.kind == SESSION_RESUMED and begun is not None:
            spans.append((begun, event.time))
            begun = None
    return spans if begun is None else [*spans, (begun, math.inf)]
