"""Ctrl-C and SIGTERM during a session."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import FrameType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    pass


class Interrupts(AbstractContextManager["Interrupts"]):
    """Signal handlers for SIGINT and SIGTERM: the first signal stops cleanly, the second exits immediately."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._asked = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Interrupts:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self._asked:
            os._exit(130)
        self._asked = True
        click.echo("stopping; press Ctrl-C again to exit immediately", err=True)
        self._stop()
