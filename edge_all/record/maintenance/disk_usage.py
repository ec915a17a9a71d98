"""Disk usage of a record, measured without visiting every file each time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from pathlib import Path

_OF_SESSIONS = ("crops", "fields")


class FolderSize:
    """Disk usage of a record's folder. Folders of ended sessions are measured once; only deletions change them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, int] = {}
        self.bytes = 0

    def measure(self, ended: Collection[str]) -> int:
        """Measure the size of all files in bytes. ended: sessions that are no longer being written."""
        total = _tree(self._folder, leave_out=_OF_SESSIONS)
        sessions = {e.name for kind in _OF_SESSIONS for e in _entries(self._folder / kind)}
        for session in sessions:
            size = self._known.get(session)
            if size is None:
                size = sum(_tree(self._folder / kind / session) for kind in _OF_SESSIONS)
                if session in ended:
                    self._known[session] = size
            total += size
        self.bytes = total
        return total

    def gone(self, session: str, size: int) -> None:
        """Subtract ``size`` bytes that were deleted from a session."""
        self.bytes -= size
        if session in self._known:
            self._known[session] -= size


def _tree(folder: Path, leave_out: Collection[str] = ()) -> int:
    total = 0
    for entry in _entries(folder):
        with contextlib.suppress(FileNotFoundError):
            if entry.is_dir(follow_symlinks=False):
                total += 0 if entry.name in leave_out else _tree(Path(entry.path))
            else:
                total += entry.stat(follow_symlinks=False).st_size
    return total


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except FileNotFoundError:
        return []
