"""Handling of a full disk: state of the waiting rows, its description, and the reserve for a clean end of a session."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from edge_all.domain.plural import counted

RESERVE = "reserve"
MOST_WAITING_BYTES = 64 << 20
RETRY_S = 1.0
"""Seconds between attempts to write while the disk is full."""


@dataclass(frozen=True)
class DiskState:
    """State as of the last write attempt."""

    full: bool = False
    waiting_rows: int = 0
    waiting_bytes: int = 0
    """Approximate size in memory."""
    refuses: bool = False
    """True if the memory limit is reached, so that writers must stop until there is space."""
    left_out: int = 0
    """Number of pictures of normal cells and of fields discarded because too much was waiting."""

    def in_words(self) -> str:
        """Return a one-line description; empty if the disk is not full."""
        if not self.full:
            return ""
        rows = f"{counted(self.waiting_rows, 'row')} {'is' if self.waiting_rows == 1 else 'are'}"
        held = f"the disk of the record is full: {rows} waiting in memory"
        return f"{held}; analysis is waiting for free space" if self.refuses else f"{held}; analysis continues"


ROOM = DiskState()
"""State of a disk with free space."""


def make_reserve(folder: Path, size: int) -> None:
    """Reserve disk space that is released when a session has to end on a full disk.

    If there is not enough space for it, no reserve is created.
    """
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
    """Release the reserve and return whether there was one."""
    try:
        (folder / RESERVE).unlink()
    except OSError:
        return False
    return True
