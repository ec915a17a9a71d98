"""Whether a database's tables, indexes and triggers are those that edge-all made. SQLite keeps them as text without a
checksum: a bit that flips in the name of a column leaves a database that passes its own checks and cannot be read."""

from __future__ import annotations

import contextlib
import sqlite3
from functools import cache

from edge_all.record.row_checksum import teach
from edge_all.record.schema import VERSION, take_step


def find_changed_schema(database: sqlite3.Connection) -> str | None:
    """The first part that is not as it was made, in words. What others added beside is theirs; of a newer schema
    nothing is known."""
    own = not database.in_transaction
    if own:
        database.execute("BEGIN")  # another program may bring it to another version meanwhile
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
            return f"the {kind} {name} is not as it was made"
    return None


@cache
def _made(version: int) -> dict[tuple[str, str], str]:
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        teach(database)
        for number in range(version):
            take_step(database, number)
        return _parts(database)


def _parts(database: sqlite3.Connection) -> dict[tuple[str, str], str]:
    """Kind and name of each, and its text without spaces."""
    rows = database.execute("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {(kind, name): f"{table}: {''.join(str(text).split())}" for kind, name, table, text in rows}
