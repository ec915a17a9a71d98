"""Deletion of old data to free space: by label and age, then by a budget, before the disk is full.

Reviewed data is kept. Rows of cells, counts, verdicts and approvals are never deleted. Every deletion is recorded in
the table "retention" and committed before the first file is deleted.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edge_all.record.db.backup import backups
from edge_all.record.db.label_sql import findings_list
from edge_all.record.events.verdicts import approved_sessions
from edge_all.record.maintenance.disk_usage import FolderSize
from edge_all.record.sessions.lock import is_written
from edge_all.record.store import Record

_DAY_S = 86400.0
_AT_ONCE = 500
_FEWEST_BACKUPS = 2
NORMAL_CROPS, FIELDS, FINDING_CROPS, SKIPPED_FRAMES = "normal crops", "fields", "finding crops", "skipped frames"
BACKUPS = "backup"
ORDER = (NORMAL_CROPS, FIELDS, FINDING_CROPS)
"""Order of deletion when space is needed; for each kind, the oldest session is first."""

_CROPS = (
    "SELECT number, crop FROM cell WHERE session = ? AND crop IS NOT NULL AND label {are} "
    "AND number NOT IN (SELECT cell FROM verdict WHERE session = cell.session) ORDER BY number LIMIT ?"
)
_FIELDS = (
    "SELECT frame_index, file FROM picture WHERE session = ? AND frame_index NOT IN (SELECT c.frame_index FROM cell c "
    "JOIN verdict v ON v.session = c.session AND v.cell = c.number WHERE c.session = picture.session) "
    "ORDER BY frame_index LIMIT ?"
)


@dataclass(frozen=True)
class Retention:
    """Retention periods and size limits. Days count from a session's start; None means no limit except the budget."""

    normal_days: float | None = 30.0
    """Days to keep crops of normal cells and smudges, and rows of frames not analyzed (their counts are kept)."""
    field_days: float | None = 180.0
    """Days to keep the pictures of fields."""
    finding_days: float | None = None
    """Days to keep the crops of findings."""
    budget_bytes: int | None = None
    """Largest size of the whole folder, including database and backups; None for no limit."""
    free_bytes: int = 512 << 20
    """Free space to maintain on the disk."""


@dataclass
class DeletionResult:
    """Result of one call of apply."""

    files: int = 0
    """Number of deleted files."""
    bytes: int = 0
    """Size of the deleted files."""
    short_of_bytes: int = 0
    """Bytes still over the limit, because all remaining data was reviewed or belongs to the running session."""
    by_kind: dict[str, int] = field(default_factory=dict)
    """Number of deleted files of each kind."""


class RetentionPolicy:
    """Retention of one folder. Create it once; each call of apply checks only what can have changed."""

    def __init__(self, folder: Path, settings: Retention) -> None:
        self._folder = folder
        self._settings = settings
        self._size = FolderSize(folder)

    @property
    def used_bytes(self) -> int:
        """Size of the folder as of the last call of apply."""
        return self._size.bytes

    def apply(self, record: Record, now: float | None) -> DeletionResult:
        """Delete what is due.

        now: Wall time, seconds since the epoch. While the clock cannot be trusted, pass None to delete nothing by age.
        """
        freed = DeletionResult()
        ended = [
            (str(session), float(start))
            for session, start in record.rows(
                "SELECT id, begun FROM session WHERE ended IS NOT NULL ORDER BY number", ()
            )
            if not is_written(self._folder, session)
        ]
        approved = approved_sessions(record)
        open_ones = [s for s, _ in ended if s not in approved]
        if now is not None:
            self._by_age(record, now, ended, approved, freed)
        self._size.measure({session for session, _ in ended})
        self._by_need(record, open_ones, freed)
        return freed

    def _by_age(
        self, record: Record, now: float, ended: list[tuple[str, float]], approved: set[str], freed: DeletionResult
    ) -> None:
        s = self._settings
        for kind, days in ((NORMAL_CROPS, s.normal_days), (FIELDS, s.field_days), (FINDING_CROPS, s.finding_days)):
            if days is None:
                continue
            for session, start in ended:
                if now - start > days * _DAY_S and session not in approved:
                    while self._delete(record, session, kind, f"older than {days:g} days", freed):
                        pass
        if s.normal_days is not None:
            for session, start in ended:
                if now - start > s.normal_days * _DAY_S:
                    self._forget_skipped(record, session, f"older than {s.normal_days:g} days")

    def _by_need(self, record: Record, sessions: list[str], freed: DeletionResult) -> None:
        need, why = self._need()
        for old in backups(self._folder)[_FEWEST_BACKUPS:] if need > 0 else []:
            size = old.stat().st_size
            with record.transaction() as database:
                _note(database, "", f"{BACKUPS} {old.name}", 1, size, why)
            old.unlink()
            need -= size
            self._size.bytes -= size
        victims = self._victims(record, sessions)
        while need > 0:
            victim = next(victims, None)
            if victim is None:
                break
            before = freed.bytes
            self._delete(record, *victim, why, freed, need)
            need -= freed.bytes - before
        freed.short_of_bytes = max(0, need)

    def _need(self) -> tuple[int, str]:
        free = shutil.disk_usage(self._folder).free
        budget = self._settings.budget_bytes
        over = 0 if budget is None else self._size.bytes - budget
        lacking = self._settings.free_bytes - free
        return max(over, lacking), "over the budget" if over >= lacking else "the disk is filling up"

    def _victims(self, record: Record, sessions: list[str]) -> Iterator[tuple[str, str]]:
        """Yield a session and kind repeatedly until nothing of it is left, then the next one."""
        for kind in ORDER:
            for session in sessions:
                while self._names(record, session, kind, 1):
                    yield session, kind

    def _names(self, record: Record, session: str, kind: str, most: int) -> list[tuple[int, str]]:
        crops = _CROPS.format(are=f"{'IN' if kind == FINDING_CROPS else 'NOT IN'} {findings_list()}")
        query = _FIELDS if kind == FIELDS else crops
        return [(int(number), str(name)) for number, name in record.rows(query, (session, most))]

    def _delete(
        self, record: Record, session: str, kind: str, why: str, freed: DeletionResult, need: int | None = None
    ) -> int:
        names = self._names(record, session, kind, _AT_ONCE)
        files, size = [], 0
        for number, name in names:
            if need is not None and size >= need:
                break
            path = self._folder / name
            own = path.stat().st_size if path.is_file() else 0
            files.append((number, path))
            size += own
        if not files:
            return 0
        with record.transaction() as database:
            _note(database, session, kind, len(files), size, why)
            if kind == FIELDS:
                statement = "DELETE FROM picture WHERE session = ? AND frame_index = ?"
            else:
                statement = "UPDATE cell SET crop = NULL WHERE session = ? AND number = ?"
            database.executemany(statement, [(session, number) for number, _ in files])
        for _, path in files:
            path.unlink(missing_ok=True)
        self._size.gone(session, size)
        freed.files += len(files)
        freed.bytes += size
        freed.by_kind[kind] = freed.by_kind.get(kind, 0) + len(files)
        return len(files)

    def _forget_skipped(self, record: Record, session: str, why: str) -> None:
        count = record.rows("SELECT COUNT(*) FROM frame WHERE session = ? AND status = 'skipped'", (session,))[0][0]
        if count:
            with record.transaction() as database:
                _note(database, session, f"{count} {SKIPPED_FRAMES}", 0, 0, why)
                database.execute("DELETE FROM frame WHERE session = ? AND status = 'skipped'", (session,))


def _note(database: sqlite3.Connection, session: str, what: str, files: int, size: int, why: str) -> None:
    """Record a deletion. session: empty if the deleted data does not belong to a session."""
    database.execute(
        "INSERT INTO retention (time, session, what, files, bytes, reason) VALUES (?, ?, ?, ?, ?, ?)",
        (time.time(), session, what, files, size, why),
    )


def deletions_for_room(record: Record, session: str) -> list[tuple[float, str, int, int, str]]:
    """Return what was deleted from a session to free space: wall time, kind, files, bytes and reason."""
    rows = record.rows(
        "SELECT time, what, files, bytes, reason FROM retention WHERE session = ? ORDER BY id", (session,)
    )
    return [(float(r[0]), str(r[1]), int(r[2]), int(r[3]), str(r[4])) for r in rows]
