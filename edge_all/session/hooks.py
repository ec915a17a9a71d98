"""Hooks through which the program around a session controls and observes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from edge_all.session.commands import CommandQueue
from edge_all.session.listener import TransactionListener
from edge_all.session.metrics.step_times import OFF, StepTimes


def _nothing() -> None:
    """Do nothing on a heartbeat."""


@dataclass(frozen=True, kw_only=True)
class SessionHooks:
    """Hooks of one session. By default, it runs on its own to the end of the stream."""

    commands: CommandQueue = field(default_factory=CommandQueue)
    """Queue of commands, handled between frames."""
    listener: TransactionListener | None = None
    """Notified inside the transaction that writes the rows."""
    on_heartbeat: Callable[[], None] = _nothing
    """Called on every iteration of the analysis loop, even without a frame."""
    times: StepTimes = OFF
    """Timer of the steps."""
