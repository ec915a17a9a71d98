"""Check that a database's tables, indexes and triggers are those that edge-all created.

SQLite stores them as text without a checksum. A flipped bit in a column name leaves a database that passes SQLite's own
checks but cannot be read.
"""

from __future__ import annotations

import contextlib
import sqlite3
from functools import cache

from edge_all.record.db.checksums import register_checksum
from edge_all.record.db.tables import VERSION, take_step


def find_changed_schema(database: sqlite3.Connection) -> str | None:
    """Describe the first part of the schema that differs from its original; return None if there is none.

    Additional parts created by others are ignored. A newer schema is not checked because its parts are unknown.
    """
    own = not database.in_transaction
    if own:
        database.execute("BEGIN")  # another program may migrate it at the same time
    try:
        version = int(database.execute("PRAGMA user_version").fetchone()[0])
        there = _parts(database)
    finally:
        if own:
            database.execute("ROLLBACK")
    if not 0 < version <= VERSION:
        return None
    for (kind, name), made in _made(version).items():
        if there.get((kind, name)) != made:
            return f"the {kind} {name} was changed"
    return None


@cache
def _made(version: int) -> dict[tuple[str, str], str]:
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        register_checksum(database)
        for number in range(version):
            take_step(database, number)
        return _parts(database)


def _parts(database: sqlite3.Connection) -> dict[tuple[str, str], str]:
    """Return the text of each part without whitespace, by type and name."""
    rows = database.execute("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {(kind, name): f"{table}: {''.join(str(text).split())}" for kind, name, table, text in rows}
