"""How old a live camera's frames are when they are taken for analysis."""

from __future__ import annotations

import time

from edge_all.vocabulary import Frame, Unreadable


class FrameAges:
    """Seconds between the driver's giving a frame and its analysis; of files none are kept."""

    def __init__(self) -> None:
        self.count = 0
        self.newest_s: float | None = None
        """Of the last frame."""
        self.worst_s = 0.0
        self._sum_s = 0.0

    def add(self, frame: Frame | Unreadable) -> None:
        """A frame is taken now."""
        if isinstance(frame, Unreadable) or frame.taken_s is None:
            return
        age = max(0.0, time.monotonic() - frame.taken_s)
        self.count += 1
        self.newest_s = age
        self.worst_s = max(self.worst_s, age)
        self._sum_s += age

    @property
    def mean_s(self) -> float:
        """0 before the first."""
        return self._sum_s / self.count if self.count else 0.0

    def in_detail(self) -> dict[str, float]:
        """For the record."""
        return {"frames": self.count, "mean_s": round(self.mean_s, 4), "worst_s": round(self.worst_s, 4)}
