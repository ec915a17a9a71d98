"""What befell a session's camera: its settings, gaps, returns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_all.record.record import Record


@dataclass(frozen=True)
class RecordedCameraEvent:
    """kind and detail: as cameras/camera_state.py has them. time: seconds since the epoch."""

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
