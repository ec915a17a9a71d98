"""Copies of the database, each tested by opening it; the oldest go."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path
from urllib.parse import quote

from edge_all.errors import RecordError
from edge_all.record.damage import find_damage
from edge_all.record.faults import told

FOLDER = "backups"
_UNDER_WAY = "under-way.sqlite3"


def backups(folder: Path) -> list[Path]:
    """The newest first. Their names tell when and why they were made."""
    return sorted((folder / FOLDER).glob("record-*.sqlite3"), key=lambda p: (p.stat().st_mtime, p.name), reverse=True)


def make_backup(
    folder: Path, database: sqlite3.Connection, why: str = "nightly", keep: int = 7, now: float | None = None
) -> Path:
    """Copy the database as it is now (VACUUM INTO), open the copy, look it over, compare its rows; only then it counts.

    keep: so many copies of this kind stay. now: wall time. Others may write meanwhile. Raises DiskFullError,
    RecordError (the copy is not sound).
    """
    place = folder / FOLDER
    under_way = place / _UNDER_WAY
    with told(folder):
        place.mkdir(exist_ok=True)
        under_way.unlink(missing_ok=True)
        try:
            most = _counts(database)
            database.execute("VACUUM INTO ?", (str(under_way),))
            with contextlib.closing(
                sqlite3.connect(f"file:{quote(str(under_way.absolute()))}?mode=ro", uri=True)
            ) as copy:
                damage = find_damage(copy)
                if damage is None and any(now < then for now, then in zip(_counts(copy), most, strict=True)):
                    damage = "rows are missing"
            if damage is not None:
                raise RecordError(f"the backup of {folder} is not sound ({damage})", "look at the disk")
            with under_way.open("rb") as file:
                os.fsync(file.fileno())
            path = place / time.strftime(f"record-%Y%m%d-%H%M%S-{why}.sqlite3", time.localtime(now))
            under_way.replace(path)
        except BaseException:
            under_way.unlink(missing_ok=True)
            raise
        same = [p for p in backups(folder) if p.stem.endswith(f"-{why}")]
        for old in [p for p in same if p != path][max(0, keep - 1) :]:
            old.unlink()
    return path


def _counts(database: sqlite3.Connection) -> tuple[int, ...]:
    tables = [r[0] for r in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    # The outbox shrinks while it is sent.
    return tuple(
        int(database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])
        for table in tables
        if not table.startswith(("sqlite", "outbox"))
    )
