"""Structured log lines (key=value), prefixed with the level that the systemd journal reads."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
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
