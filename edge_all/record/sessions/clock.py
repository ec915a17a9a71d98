"""Reliable time on devices whose clock is wrong at boot and jumps when the network becomes available.

The program works with monotonic time. It records wall time, which is corrected after the clock has been set.
"""

from __future__ import annotations

import time

from edge_all.record.events.incidents import note_incident
from edge_all.record.store import Record

_JUMP_S = 2.0
"""Between two checks, a clock that is set moves by more than this. One that runs slightly fast or slow never does."""
CLOCK_SET = "clock set"


class Clock:
    """The monotonic clock and the wall clock of a device."""

    def steady(self) -> float:
        """Return the monotonic time in seconds, which never jumps."""
        return time.monotonic()

    def wall(self) -> float:
        """Return the wall time in seconds since the epoch, as the device currently has it."""
        return time.time()


class SessionTime:
    """Conversion of a session's monotonic times to wall time, based on the current wall clock."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._offset = self._clock.wall() - self._clock.steady()

    def wall(self, steady: float) -> float:
        """Convert a monotonic time to seconds since the epoch."""
        return steady + self._offset

    def check(self) -> float:
        """Return by how many seconds the clock was set since the last call; 0 if it was not set.

        Call this at least every few seconds, so that gradual adjustments of the clock are followed.
        """
        offset = self._clock.wall() - self._clock.steady()
        moved, self._offset = offset - self._offset, offset
        return moved if abs(moved) >= _JUMP_S else 0.0


def correct_times(record: Record, session: str, moved: float, first_frame: int) -> None:
    """Correct the times that this program recorded for a session before the clock was set by ``moved`` seconds.

    first_frame: First frame written by this program. A resumed session was started with another clock, so its start
    time is kept.
    """
    record.queue(
        "UPDATE frame SET time = time + ? WHERE session = ? AND frame_index >= ?", (moved, session, first_frame)
    )
    if first_frame == 0:
        record.queue("UPDATE session SET begun = begun + ? WHERE id = ?", (moved, session))
        record.queue("UPDATE camera_event SET time = time + ? WHERE session = ?", (moved, session))
    note_incident(record, CLOCK_SET, f"by {moved:+.1f} s; the times of this session were corrected", session)
    record.flush()
