"""What waits to be written: rows in order, and the pictures that have to be on disk before them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Row = tuple[str, tuple[Any, ...]]

_ROW_BYTES = 600
"""About what a row takes in memory."""
_AT_ONCE_BYTES = 8 << 20
"""What is taken to disk together; after a full disk much waits, and room may come in pieces."""


@dataclass
class Group:
    """Rows that are committed together or not at all."""

    rows: list[Row] = field(default_factory=list)
    pictures: dict[Path, bytes] = field(default_factory=dict)
    unsynced: set[Path] = field(default_factory=set)
    """Those of normal cells."""

    @property
    def size(self) -> int:
        """Bytes, about."""
        return len(self.rows) * _ROW_BYTES + sum(map(len, self.pictures.values()))

    def leave_out(self, paths: Iterable[Path], folder: Path) -> None:
        """These pictures are not kept; their cells are, without one."""
        gone = {str(path.relative_to(folder)) for path in paths}
        for path in list(paths):
            self.pictures.pop(path, None)
            self.unsynced.discard(path)
        self.rows = [
            (statement, tuple(None if value in gone else value for value in values))
            for statement, values in self.rows
            if not (statement.startswith(KEEP_PICTURE) and gone.intersection(values))
        ]


KEEP_PICTURE = "INSERT OR REPLACE INTO picture"


class Waiting:
    """Bounded by whoever asks for its size."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._groups: deque[Group] = deque()
        self._last = Group()

    def __bool__(self) -> bool:
        return bool(self._last.rows or self._groups)

    @property
    def rows(self) -> int:
        return len(self._last.rows) + sum(len(g.rows) for g in self._groups)

    @property
    def size(self) -> int:
        """Bytes, about."""
        return self._last.size + sum(g.size for g in self._groups)

    def add(self, statement: str, values: tuple[Any, ...]) -> None:
        """A row, after all that wait."""
        self._last.rows.append((statement, values))

    def add_picture(self, path: Path, data: bytes, *, synced: bool = True) -> None:
        """To be on disk before the rows added since the last close_group."""
        self._last.pictures[path] = data
        if synced:
            self._last.unsynced.discard(path)
        else:
            self._last.unsynced.add(path)

    def holds(self, path: Path) -> bool:
        """Whether that picture waits."""
        return path in self._last.pictures or any(path in g.pictures for g in self._groups)

    def close_group(self) -> None:
        """What was added since the last time belongs together."""
        if self._last.rows:
            self._groups.append(self._last)
            self._last = Group()

    def next(self) -> Group:
        """The first groups as one, as much as goes to disk together."""
        taken, size, several = 0, 0, Group()
        for group in self._groups:
            if taken and size + group.size > _AT_ONCE_BYTES:
                break
            taken += 1
            size += group.size
            several.rows += group.rows
            # A later picture of the same name is the one to keep, and how it is to be kept.
            several.unsynced -= group.pictures.keys()
            several.pictures |= group.pictures
            several.unsynced |= group.unsynced
        for _ in range(taken):
            self._groups.popleft()
        return several

    def put_back(self, group: Group) -> None:
        """It could not be written: it is the first again."""
        self._groups.appendleft(group)

    def leave_out_pictures(self, most_bytes: int, *, findings: bool = True) -> tuple[int, int]:
        """Until no more than that waits: pictures of normal cells go first, then fields, then (where so said) findings.
        Gives how many of normal cells and of others went."""
        size, gone = self.size, [0, 0]
        for rank in range(3 if findings else 2):
            for group in self._groups:
                if size <= most_bytes:
                    return gone[0], gone[1]
                paths = [path for path in group.pictures if self._rank(group, path) == rank]
                size -= sum(len(group.pictures[path]) for path in paths)
                group.leave_out(paths, self._folder)
                gone[rank > 0] += len(paths)
        return gone[0], gone[1]

    @staticmethod
    def _rank(group: Group, path: Path) -> int:
        return 0 if path in group.unsynced else 1 if path.suffix == ".jpg" else 2
