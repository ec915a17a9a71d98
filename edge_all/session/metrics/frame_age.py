"""Age of a live camera's frames when their analysis starts."""

from __future__ import annotations

import time

from edge_all.domain.types import Frame, Unreadable


class FrameAges:
    """Seconds between a frame's delivery by the driver and its analysis; file frames are ignored."""

    def __init__(self) -> None:
        self.count = 0
        self.newest_s: float | None = None
        """Age of the last frame in seconds, or None before the first."""
        self.worst_s = 0.0
        self._sum_s = 0.0

    def add(self, frame: Frame | Unreadable) -> None:
        """Record the age of a frame that is taken for analysis now."""
        if isinstance(frame, Unreadable) or frame.taken_s is None:
            return
        age = max(0.0, time.monotonic() - frame.taken_s)
        self.count += 1
        self.newest_s = age
        self.worst_s = max(self.worst_s, age)
        self._sum_s += age

    @property
    def mean_s(self) -> float:
        """Mean age in seconds; 0 before the first frame."""
        return self._sum_s / self.count if self.count else 0.0

    def in_detail(self) -> dict[str, float]:
        """Return the values stored in the record, in seconds."""
        return {"frames": self.count, "mean_s": round(self.mean_s, 4), "worst_s": round(self.worst_s, 4)}
