"""Connection state and events of a live camera."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class CameraState(str, Enum):
    """Connection state of a camera."""

    OPENING = "opening"
    WORKS = "works"
    LOST = "camera lost"
    GIVEN_UP = "given up"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class CameraEvent:
    """Camera event that is stored in the record."""

    kind: str
    """Kind of event, with its details: "opened" (identity), "settings" (values in force), "lost" (reason), "back"
    (lasted_s, reconnects), "size" (width_px, height_px, before), "given up" (lasted_s, reason), "ages" (mean_s and
    worst_s, the age of frames when their analysis starts)."""
    time: float
    """Seconds since the epoch."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    state: CameraState = CameraState.WORKS
    """State of the camera after the event."""
