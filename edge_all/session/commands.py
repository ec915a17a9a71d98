"""What comes from outside a session (pages, MQTT, signals) enters it here: one queue of commands."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from edge_all.errors import UsageError
from edge_all.session.operator import Operator

SAMPLE_LENGTH = 200
_WAITING = 16


@dataclass(frozen=True)
class Start:
    """Begin a session on the station's camera; the one that runs is ended first.

    Raises UsageError for a sample id that is none."""

    sample: str | None = None
    resume: bool = False
    """Go on with the session that was cut off, if there is one."""
    operator: Operator | None = None
    """Who begins it, where that is known."""

    def __post_init__(self) -> None:
        _check_sample(self.sample)


@dataclass(frozen=True)
class Pause:
    """Analyse no field until Resume; the session stays open."""


@dataclass(frozen=True)
class Resume:
    """Go on after Pause."""


@dataclass(frozen=True)
class Stop:
    """End the session after the frame in work."""


@dataclass(frozen=True)
class NameSample:
    """Name the sample of a running session that has no name yet. Raises UsageError for a sample id that is none."""

    sample: str

    def __post_init__(self) -> None:
        _check_sample(self.sample)


Command = Start | Pause | Resume | Stop | NameSample


def _check_sample(sample: str | None) -> None:
    if sample is None:
        return
    if len(sample) > SAMPLE_LENGTH:
        raise UsageError(f"the sample id has {len(sample)} characters", f"at most {SAMPLE_LENGTH} can be kept")
    if not sample.strip() or not sample.isprintable():
        raise UsageError("the sample id is empty or holds control characters", "type it again, or scan its barcode")


class CommandQueue:
    """First in, first out; from any thread, also from a signal handler's."""

    def __init__(self) -> None:
        self._commands: deque[Command] = deque()
        self._arrived = threading.Event()

    def put(self, command: Command) -> bool:
        """False when too many wait: whoever should obey them does not."""
        if len(self._commands) >= _WAITING:
            return False
        self._commands.append(command)
        self._arrived.set()
        return True

    def put_back(self, commands: Sequence[Command]) -> None:
        """Those that were taken and not obeyed, before all that came since."""
        self._commands.extendleft(reversed(commands))
        if commands:
            self._arrived.set()

    def take(self) -> list[Command]:
        """All that wait, in order; does not wait itself."""
        self._arrived.clear()
        taken = []
        while self._commands:
            taken.append(self._commands.popleft())
        return taken

    def wait(self, timeout_s: float) -> bool:
        """Until a command is there; False when none came in time."""
        return self._arrived.wait(timeout_s)
