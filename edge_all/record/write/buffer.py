"""Write buffer: rows in order, and the pictures that must be on disk before them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Row = tuple[str, tuple[Any, ...]]

_ROW_BYTES = 600
"""Approximate size of a row in memory, without its blobs."""
_AT_ONCE_BYTES = 8 << 20
"""Bytes written together. After a full disk, much data is waiting, and space may become available gradually."""


@dataclass
class Group:
    """Rows that are committed together or not at all, with their pictures."""

    rows: list[Row] = field(default_factory=list)
    pictures: dict[Path, bytes] = field(default_factory=dict)
    unsynced: set[Path] = field(default_factory=set)
    """Pictures of normal cells, which need not be synced."""
    blob_bytes: int = 0
    """Bytes of the rows' values that are not numbers or text."""

    @property
    def size(self) -> int:
        """Approximate size in memory, bytes."""
        return len(self.rows) * _ROW_BYTES + self.blob_bytes + sum(map(len, self.pictures.values()))

    def leave_out(self, paths: Iterable[Path], folder: Path) -> None:
        """Discard these pictures; their cells are kept without one."""
        discarded = {str(path.relative_to(folder)) for path in paths}
        for path in list(paths):
            self.pictures.pop(path, None)
            self.unsynced.discard(path)
        self.rows = [
            (statement, tuple(None if value in discarded else value for value in values))
            for statement, values in self.rows
            if not (statement.startswith(KEEP_PICTURE) and discarded.intersection(values))
        ]


KEEP_PICTURE = "INSERT OR REPLACE INTO picture"


class WriteBuffer:
    """Buffer of waiting rows and pictures. The caller limits the size."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._groups: deque[Group] = deque()
        self._last = Group()

    def __bool__(self) -> bool:
        return bool(self._last.rows or self._groups)

    @property
    def rows(self) -> int:
        """Number of waiting rows."""
        return len(self._last.rows) + sum(len(g.rows) for g in self._groups)

    @property
    def size(self) -> int:
        """Approximate size in memory, bytes."""
        return self._last.size + sum(g.size for g in self._groups)

    def add(self, statement: str, values: tuple[Any, ...]) -> None:
        """Append a row."""
        self._last.rows.append((statement, values))
        self._last.blob_bytes += sum(len(value) for value in values if isinstance(value, bytes))

    def add_picture(self, path: Path, data: bytes, *, synced: bool = True) -> None:
        """Add a picture that must be on disk before the rows added since the last close_group."""
        self._last.pictures[path] = data
        if synced:
            self._last.unsynced.discard(path)
        else:
            self._last.unsynced.add(path)

    def holds(self, path: Path) -> bool:
        """Return whether this picture is waiting."""
        return path in self._last.pictures or any(path in g.pictures for g in self._groups)

    def close_group(self) -> None:
        """Group all rows and pictures added since the last call."""
        if self._last.rows:
            self._groups.append(self._last)
            self._last = Group()

    def next(self) -> Group:
        """Remove and return the first groups, merged up to the size that is written together."""
        taken, size, merged = 0, 0, Group()
        for group in self._groups:
            if taken and size + group.size > _AT_ONCE_BYTES:
                break
            taken += 1
            size += group.size
            merged.rows += group.rows
            merged.blob_bytes += group.blob_bytes
            # A later picture of the same name replaces the earlier one and its synced state.
            merged.unsynced -= group.pictures.keys()
            merged.pictures |= group.pictures
            merged.unsynced |= group.unsynced
        for _ in range(taken):
            self._groups.popleft()
        return merged

    def put_back(self, group: Group) -> None:
        """Put a group that could not be written back to the front."""
        self._groups.appendleft(group)

    def leave_out_pictures(self, most_bytes: int, *, findings: bool = True) -> tuple[int, int]:
        """Discard pictures until at most ``most_bytes`` are waiting.

        Pictures of normal cells are discarded first, then fields, then, if ``findings`` is set, findings. Return the
        numbers of discarded pictures of normal cells and of others.
        """
        size, discarded = self.size, [0, 0]
        for rank in range(3 if findings else 2):
            for group in self._groups:
                if size <= most_bytes:
                    return discarded[0], discarded[1]
                paths = [path for path in group.pictures if self._rank(group, path) == rank]
                size -= sum(len(group.pictures[path]) for path in paths)
                group.leave_out(paths, self._folder)
                discarded[rank > 0] += len(paths)
        return discarded[0], discarded[1]

    @staticmethod
    def _rank(group: Group, path: Path) -> int:
        return 0 if path in group.unsynced else 1 if path.suffix == ".jpg" else 2
