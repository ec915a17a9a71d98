"""Backups of the database, each verified by opening it; the oldest ones are deleted."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path
from urllib.parse import quote

from edge_all.errors import RecordError
from edge_all.record.db.errors import translate_errors
from edge_all.record.db.integrity import find_damage

FOLDER = "backups"
_TEMPORARY = "under-way.sqlite3"


def backups(folder: Path) -> list[Path]:
    """Return the backups, newest first. Their names contain the time and the reason."""
    return sorted((folder / FOLDER).glob("record-*.sqlite3"), key=lambda p: (p.stat().st_mtime, p.name), reverse=True)


def make_backup(
    folder: Path, database: sqlite3.Connection, why: str = "nightly", keep: int = 7, now: float | None = None
) -> Path:
    """Copy the database (VACUUM INTO), then check the integrity of the copy and compare its rows with the original.

    The copy gets its final name only after these checks. Other programs may write at the same time.

    Args:
        folder: The record's folder.
        database: The connection to copy.
        why: Reason, part of the name.
        keep: Number of backups with this reason to keep.
        now: Wall time, seconds since the epoch; None for the current time.

    Raises:
        DiskFullError: when there is not enough space.
        RecordError: when the copy is damaged.
    """
    backup_folder = folder / FOLDER
    temporary = backup_folder / _TEMPORARY
    with translate_errors(folder):
        backup_folder.mkdir(exist_ok=True)
        temporary.unlink(missing_ok=True)
        try:
            least = _counts(database)
            database.execute("VACUUM INTO ?", (str(temporary),))
            with contextlib.closing(
                sqlite3.connect(f"file:{quote(str(temporary.absolute()))}?mode=ro", uri=True)
            ) as copy:
                damage = find_damage(copy)
                if damage is None and any(now < then for now, then in zip(_counts(copy), least, strict=True)):
                    damage = "rows are missing"
            if damage is not None:
                raise RecordError(f"the backup of {folder} is damaged ({damage})", "check the disk for errors")
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            path = backup_folder / time.strftime(f"record-%Y%m%d-%H%M%S-{why}.sqlite3", time.localtime(now))
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        same = [p for p in backups(folder) if p.stem.endswith(f"-{why}")]
        for old in [p for p in same if p != path][max(0, keep - 1) :]:
            old.unlink()
    return path


def _counts(database: sqlite3.Connection) -> tuple[int, ...]:
    tables = [r[0] for r in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    # The outbox is left out because it shrinks as its messages are sent.
    return tuple(
        int(database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])
        for table in tables
        if not table.startswith(("sqlite", "outbox"))
    )
