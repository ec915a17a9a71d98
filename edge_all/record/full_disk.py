"""A disk that is full all the same: what waits for room, what is said of it, and the reserve for a clean end."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

RESERVE = "reserve"
MOST_WAITING_BYTES = 64 << 20
RETRY_S = 1.0
"""So often it is tried whether there is room again."""


@dataclass(frozen=True)
class DiskState:
    """As of the last time something was to be written."""

    full: bool = False
    waiting_rows: int = 0
    waiting_bytes: int = 0
    """In memory, about."""
    refuses: bool = False
    """No more may wait in memory: whoever writes has to stop until there is room."""
    left_out: int = 0
    """Pictures of normal cells and of fields that are not kept, because too much waited."""

    def in_words(self) -> str:
        """One line; empty when there is room."""
        if not self.full:
            return ""
        held = f"the disk of the record is full: {self.waiting_rows} rows wait in memory"
        return f"{held}; analysis waits for room" if self.refuses else f"{held}; analysis goes on"


ROOM = DiskState()
"""There is some."""


def make_reserve(folder: Path, size: int) -> None:
    """Room that is given back when a session has to end on a full disk. Without room for it there is none."""
    path = folder / RESERVE
    with contextlib.suppress(OSError):
        if path.exists() and path.stat().st_size == size:
            return
        try:
            with path.open("wb") as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, size)
                else:
                    file.write(bytes(size))
        except OSError:
            path.unlink(missing_ok=True)


def release_reserve(folder: Path) -> bool:
    """Whether there was one."""
    try:
        (folder / RESERVE).unlink()
    except OSError:
        return False
    return True
