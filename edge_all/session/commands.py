"""Queue of commands through which web pages, MQTT and signals control a session."""

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
    """Start a session on the station's camera; a running session is stopped first.

    Raises:
        UsageError: when the sample id is not valid.
    """

    sample: str | None = None
    resume: bool = False
    """True to resume the interrupted session, if there is one."""
    operator: Operator | None = None
    """The person who starts the session, if known."""

    def __post_init__(self) -> None:
        _check_sample(self.sample)


@dataclass(frozen=True)
class Pause:
    """Pause the analysis until Resume; the session stays open."""


@dataclass(frozen=True)
class Resume:
    """Resume the analysis after Pause."""


@dataclass(frozen=True)
class Stop:
    """Stop the session after the current frame."""


@dataclass(frozen=True)
class NameSample:
    """Name the sample of a running session that has no name yet.

    Raises:
        UsageError: when the sample id is not valid.
    """

    sample: str

    def __post_init__(self) -> None:
        _check_sample(self.sample)


Command = Start | Pause | Resume | Stop | NameSample


def _check_sample(sample: str | None) -> None:
    if sample is None:
        return
    if len(sample) > SAMPLE_LENGTH:
        raise UsageError(f"the sample id has {len(sample)} characters", f"use at most {SAMPLE_LENGTH}")
    if any("\ud800" <= c <= "\udfff" for c in sample):  # invalid bytes of an argument arrive as lone surrogates
        raise UsageError("the sample id is not valid UTF-8", "type it again, or scan its barcode")
    if not sample.strip() or not sample.isprintable():
        raise UsageError("the sample id is empty or contains control characters", "type it again, or scan its barcode")


class CommandQueue:
    """First-in, first-out queue, safe to use from any thread and from signal handlers."""

    def __init__(self) -> None:
        self._commands: deque[Command] = deque()
        self._arrived = threading.Event()

    def put(self, command: Command) -> bool:
        """Add a command. Returns False if the queue is full because its reader is not taking commands."""
        if len(self._commands) >= _WAITING:
            return False
        self._commands.append(command)
        self._arrived.set()
        return True

    def put_back(self, commands: Sequence[Command]) -> None:
        """Return taken but unhandled commands to the front of the queue."""
        self._commands.extendleft(reversed(commands))
        if commands:
            self._arrived.set()

    def take(self) -> list[Command]:
        """Remove and return all queued commands in order, without blocking."""
        self._arrived.clear()
        taken = []
        while self._commands:
            taken.append(self._commands.popleft())
        return taken

    def wait(self, timeout_s: float) -> bool:
        """Wait for a command. Returns False if none arrived within `timeout_s` seconds."""
        return self._arrived.wait(timeout_s)
