"""Whether a live camera gives pictures, and what befell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class CameraState(str, Enum):
    """As of now."""

    OPENING = "opening"
    WORKS = "works"
    LOST = "camera lost"
    GIVEN_UP = "given up"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class CameraEvent:
    """Something that the record keeps of a camera.

    kind: "opened" (identity), "settings" (what is in force), "lost" (reason), "back" (lasted_s, reconnects), "size"
    (width_px, height_px, before), "given up" (lasted_s), "ages" (mean_s, worst_s of the frames when they are taken
    for analysis). time: seconds since the epoch.
    """

    kind: str
    time: float
    detail: Mapping[str, Any] = field(default_factory=dict)
    state: CameraState = CameraState.WORKS
    """Of the camera after it."""
