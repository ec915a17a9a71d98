"""Recover the readable rows of a damaged database."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from edge_all.domain.labels import LABELS
from edge_all.record.db.checksums import COLUMN, row_checksum
from edge_all.record.db.errors import SQLITE_FAULTS

TABLES = ("session", "frame", "cell", "picture", "verdict", "approval", "deletion", "incident", "outbox")
"""Order of recovery, with sessions before the rows that refer to them. Other tables are discovered and follow these."""
_PER_DATABASE = {"outbox_use", "schema_version"}
_MOST_FAULTS = 2000
_TYPES: dict[str, tuple[type, ...]] = {"REAL": (int, float), "INTEGER": (int,), "TEXT": (str,)}


def salvage(damaged: Path, into: sqlite3.Connection) -> int:
    """Copy every sound row whose key is not taken into another database, and return the number of rows copied.

    A row is sound if it can be read, its values have the right types, its label is known, its checksum matches and it
    satisfies the constraints. Foreign keys must be off in ``into``.
    """
    taken = 0
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    own = [row[0] for row in into.execute(query) if row[0] not in _PER_DATABASE]
    ordered = [t for t in TABLES if t in own] + [t for t in own if t not in TABLES]
    for table in ordered:
        # A separate connection for each table, because after a fault a connection may fail on the next table.
        try:
            database = sqlite3.connect(f"file:{quote(str(damaged.absolute()))}?mode=ro", uri=True, isolation_level=None)
        except sqlite3.Error:
            return taken
        database.text_factory = lambda raw: raw.decode(errors="replace")
        with contextlib.closing(database), contextlib.suppress(*SQLITE_FAULTS):
            taken += _table(database, into, table)
    return taken


def _table(database: sqlite3.Connection, into: sqlite3.Connection, table: str) -> int:
    there = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    own = into.execute(f"PRAGMA table_info({table})").fetchall()
    if len(there) == len(own):  # same schema: if a name differs, the name is damaged and not the column
        there = [r[1] for r in own]
    columns = [(r[1], r[2], bool(r[3])) for r in own if r[1] in there and r[1] != COLUMN]
    if not columns:
        return 0
    names = ", ".join(name for name, _, _ in columns)
    insert = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({', '.join('?' * len(columns))})"
    taken = 0
    for row in _rows(database, table, there):
        values = [_current(table, name, row[name]) for name, _, _ in columns]
        sound = all(
            (value is None and not needed) or isinstance(value, _TYPES.get(declared, (object,)))
            for value, (_, declared, needed) in zip(values, columns, strict=True)
        )
        if table == "cell":
            sound = sound and row.get("label") in LABELS
        # Rows of an older schema have no checksum.
        if sound and (COLUMN not in row or row.pop(COLUMN) == row_checksum(*row.values())):
            with contextlib.suppress(sqlite3.IntegrityError):
                taken += into.execute(insert, values).rowcount
    return taken


def _current(table: str, column: str, value: object) -> object:
    """Return a value with today's key of a label that an older version wrote."""
    is_label = column == "label" or (table, column) == ("label", "key")
    return LABELS.current(value) if is_label and isinstance(value, str) else value


def _rows(database: sqlite3.Connection, table: str, columns: list[str]) -> Iterator[dict[str, object]]:
    last, step, faults = -1, 1, 0
    try:
        end = database.execute(f"SELECT rowid FROM {table} ORDER BY rowid DESC LIMIT 1").fetchone()
        highest = int(end[0]) if end else -1
    except (*SQLITE_FAULTS, TypeError, ValueError):
        highest = 1 << 40
    while last < highest and faults < _MOST_FAULTS:
        try:
            for rowid, *row in database.execute(
                f"SELECT rowid, * FROM {table} WHERE rowid > ? ORDER BY rowid", (last,)
            ):
                if rowid <= last:  # a damaged tree may contain a cycle
                    raise sqlite3.DatabaseError("rows out of order")
                last, step = rowid, 1
                yield dict(zip(columns, row, strict=True))
            return
        except SQLITE_FAULTS:
            faults += 1
            last += step
            step = min(step * 2, 1 << 40)
