"""Time that can be relied on where the clock is wrong at boot and jumps when the network comes.

Inside, time is monotonic; what is recorded is wall time, corrected when the clock was set.
"""

from __future__ import annotations

import time

from edge_all.record.incidents import note_incident
from edge_all.record.record import Record

_JUMP_S = 2.0
"""A clock that is set moves by more between two looks; one that runs a little fast or slow never does."""
CLOCK_SET = "clock set"


class Clock:
    """Both clocks of a device."""

    def steady(self) -> float:
        """Seconds; never jumps."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since the epoch, as the device believes now."""
        return time.time()


class SessionTime:
    """Turns steady times of a session into wall time, by what is known of it now."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._offset = self._clock.wall() - self._clock.steady()

    def wall(self, steady: float) -> float:
        """Seconds since the epoch of a steady time."""
        return steady + self._offset

    def look(self) -> float:
        """By how many seconds the clock was set since the last look; 0 as long as it only runs. To be called at least
        every few seconds: a clock that is slowed or hurried is followed."""
        offset = self._clock.wall() - self._clock.steady()
        moved, self._offset = offset - self._offset, offset
        return moved if abs(moved) >= _JUMP_S else 0.0


def correct_times(record: Record, session: str, moved: float, first_frame: int) -> None:
    """The clock was set by ``moved`` seconds: what this program wrote of its session before tells the new time too.

    first_frame: with which the program began; a session that it went on with began by another clock.
    """
    record.queue(
        "UPDATE frame SET time = time + ? WHERE session = ? AND frame_index >= ?", (moved, session, first_frame)
    )
    if first_frame == 0:
        record.queue("UPDATE session SET begun = begun + ? WHERE id = ?", (moved, session))
        record.queue("UPDATE camera_event SET time = time + ? WHERE session = ?", (moved, session))
    note_incident(record, CLOCK_SET, f"by {moved:+.1f} s; the times of this session were corrected", session)
    record.flush()
