"""What the service holds of the machine's memory, against the profile's limit."""

from __future__ import annotations

from collections.abc import Callable

from edge_all.bench.memory import resident_mib

OVER_FOR_S = 60.0
"""Over the limit for so long is no passing peak."""
_YOUNG_S = 600.0
"""A program that needs more than its limit from the beginning is told, not started again and again."""


class MemoryWatch:
    """Asked from the service's loop."""

    def __init__(self, limit_mib: int, began: float, held_mib: Callable[[], float] = resident_mib) -> None:
        """limit_mib: 0 for none. began: when the program did, by the clock of look()."""
        self._limit, self._began, self._held_mib = limit_mib, began, held_mib
        self._over_since: float | None = None
        self.problem: str | None = None
        """What somebody should know."""

    def look(self, now: float) -> bool:
        """True when a new process should take over: over the limit for a minute, after ten good ones."""
        if not self._limit:
            self.problem = None
            return False
        held = self._held_mib()
        if held <= self._limit:
            self._over_since = self.problem = None
            return False
        if self._over_since is None:
            self._over_since = now
        self.problem = f"the program holds more memory than limits.memory_mib = {self._limit} allows"
        return now - self._over_since >= OVER_FOR_S and now - self._began >= _YOUNG_S
