"""Structured log lines (key=value), prefixed with the level that the systemd journal reads.

The names of the service's own events are in service.py; those of the program's log records in _EVENTS below.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import Literal

Level = Literal["error", "warning", "info"]
_LEVELS: dict[Level, int] = {"error": 3, "warning": 4, "info": 6}
_STARTED = time.monotonic()


class Journal:
    """Writer of lines such as ``event=state phase=running session=20260101-101010``. They never contain a sample id."""

    def __init__(self, write: Callable[[str], None]) -> None:
        """Create the journal. ``write`` receives each line without its line feed."""
        self._write = write
        # sd-daemon(3); on a terminal the level would be noise.
        self._levels = "JOURNAL_STREAM" in os.environ

    def __call__(self, event: str, level: Level = "info", **values: object) -> None:
        """Write one event."""
        line = " ".join([f"event={event}", *(f"{k}={_value(v)}" for k, v in values.items())])
        self._write(f"<{_LEVELS[level]}>{line}" if self._levels else line)

    def raw(self, text: str) -> None:
        """Write a text that is not an event, such as a traceback."""
        self._write(text)


_EVENTS: tuple[tuple[str, str, Level], ...] = (
    ("edge_all.telemetry", "mqtt", "info"),
    ("edge_all.record.recovery", "record", "error"),
    ("edge_all.record.maintenance", "upkeep", "info"),
    ("edge_all.service.housekeeping_thread", "upkeep", "info"),
    ("edge_all.service.watchdog", "driver-stuck", "error"),
    ("edge_all", "engine", "info"),
)
"""Logger, event and level of its lines. The first logger that is the record's or contains it is used."""


class JournalHandler(logging.Handler):
    """Handler that writes the program's log records as events while its context is entered."""

    def __init__(self, journal: Journal, on_engine: Callable[[], None] = lambda: None) -> None:
        """Create the handler. ``on_engine`` is called after each event "engine", in the thread that logged it."""
        super().__init__()
        self._journal, self._on_engine = journal, on_engine
        self._logger = logging.getLogger("edge_all")
        self._level_before = logging.NOTSET

    def __enter__(self) -> JournalHandler:
        self._level_before = self._logger.level
        if self._level_before == logging.NOTSET:
            self._logger.setLevel(logging.INFO)
        self._logger.addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._logger.removeHandler(self)
        self._logger.setLevel(self._level_before)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record. A record with a traceback is written as the lines of the traceback."""
        try:
            if record.exc_info:
                self._journal.raw(self.format(record))
                return
            event, level = next((e, v) for name, e, v in _EVENTS if f"{record.name}.".startswith(f"{name}."))
            if record.levelno >= logging.ERROR:
                level = "error"
            more = {"logger": record.name} if record.levelno <= logging.DEBUG else {}
            self._journal(event, level, text=record.getMessage(), **more)
            if event == "engine":
                self._on_engine()
        except Exception:  # a closed journal must not end the service
            self.handleError(record)


def since_start_s() -> float:
    """Return the seconds since the program started (since this file was first imported)."""
    return round(time.monotonic() - _STARTED, 2)


def since_boot_s() -> float:
    """Return the seconds since the machine booted, including sleep."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return round(time.clock_gettime(clock), 2)


def _value(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    if text and all(c.isprintable() and c not in ' "=\\' for c in text):
        return text
    inner = "".join(c if c.isprintable() else "?" for c in text.replace("\\", "\\\\").replace('"', '\\"'))
    return f'"{inner}"'
