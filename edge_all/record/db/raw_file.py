"""Read a database file without SQLite, in a process that has it open, without releasing SQLite's locks.

When a process closes any handle to a file, POSIX releases all its locks on that file, including SQLite's. If another
program then closes the record, it sees no other user and removes the write-ahead log that is still in use. Therefore,
these handles stay open while the file exists.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

_AT_ONCE = 1 << 20
_handles: dict[tuple[int, int], int] = {}
_lock = threading.Lock()


def read_without_releasing_locks(path: Path, size: int, at: int = 0) -> bytes:
    """Read up to ``size`` bytes from offset ``at``; fewer at the end of the file. Raises OSError."""
    return os.pread(_handle(path), size, at)


def copy_without_releasing_locks(path: Path, target: Path) -> None:
    """Copy the whole file in its current state. Raises OSError."""
    with target.open("wb") as file:
        for piece in _pieces(_handle(path)):
            file.write(piece)


def _pieces(handle: int) -> Iterator[bytes]:
    at = 0
    while piece := os.pread(handle, _AT_ONCE, at):
        yield piece
        at += len(piece)


def _handle(path: Path) -> int:
    with _lock:
        found = os.stat(path)
        key = (found.st_dev, found.st_ino)
        if key not in _handles:
            for old, handle in list(_handles.items()):
                if os.fstat(handle).st_nlink == 0:  # deleted, so no program can open it again
                    os.close(_handles.pop(old))
            _handles[key] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return _handles[key]
