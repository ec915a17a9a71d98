"""Reading a database's file beside SQLite, in the process that has it open.

POSIX gives up every lock that a process holds on a file when it closes any handle to it: SQLite's too, and another
program that then closes the record takes itself for the last one and removes the log that is being written. So the
handles stay open as long as there is the file.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

_AT_ONCE = 1 << 20
_handles: dict[tuple[int, int], int] = {}
_lock = threading.Lock()


def read_beside(path: Path, size: int, at: int = 0) -> bytes:
    """So many bytes from there, fewer at the file's end. Raises OSError."""
    return os.pread(_handle(path), size, at)


def copy_beside(path: Path, target: Path) -> None:
    """The whole file as it is now. Raises OSError."""
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
                if os.fstat(handle).st_nlink == 0:  # deleted: nobody comes to it any more
                    os.close(_handles.pop(old))
            _handles[key] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return _handles[key]
