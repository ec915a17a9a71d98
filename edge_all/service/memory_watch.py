"""Memory use of the service, checked against the profile's limit."""

from __future__ import annotations

from collections.abc import Callable

from edge_all.hardware.memory import resident_mib

OVER_FOR_S = 60.0
"""Time in seconds over the limit after which it is not a temporary peak."""
_YOUNG_S = 600.0
"""Minimum age in seconds for a restart. A program that exceeds its limit from the start is reported instead of being
restarted repeatedly."""


class MemoryWatch:
    """Memory check, called from the service's loop."""

    def __init__(self, limit_mib: int, began: float, held_mib: Callable[[], float] = resident_mib) -> None:
        """Create the check. ``limit_mib``: 0 for no limit. ``began``: the program's start on the clock of look()."""
        self._limit, self._began, self._held_mib = limit_mib, began, held_mib
        self._over_since: float | None = None
        self.problem: str | None = None
        """The problem to report, or None."""

    def look(self, now: float) -> bool:
        """Return whether to restart: over the limit for a minute, in a program older than ten minutes."""
        if not self._limit:
            self.problem = None
            return False
        held = self._held_mib()
        if held <= self._limit:
            self._over_since = self.problem = None
            return False
        if self._over_since is None:
            self._over_since = now
        self.problem = f"memory use exceeds limits.memory_mib = {self._limit}"
        return now - self._over_since >= OVER_FOR_S and now - self._began >= _YOUNG_S
