"""Every row carries a checksum of its values: SQLite's own checks do not see a bit that flips inside a value.

Triggers write it, whoever changes a row. They call a function of this program: another one can read the record, and
change nothing in it.
"""

from __future__ import annotations

import sqlite3
import zlib

COLUMN = "checksum"
_FUNCTION = "row_checksum"
_UNSEALED = ("schema_version",)
"""It is compared with the database's header."""


def row_checksum(*values: object) -> int:
    """Of a row's other values, in the order of its columns. Their ASCII form is the same in every Python."""
    return zlib.crc32(ascii(values).encode())


def teach(database: sqlite3.Connection) -> None:
    """The function that the triggers call."""
    database.create_function(_FUNCTION, -1, row_checksum, deterministic=True)


def seal_tables(database: sqlite3.Connection) -> None:
    """The column and its triggers to each table that has none; a table that was given another column since loses them
    first. Within a transaction of the caller's."""
    for (table,) in database.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name"
    ).fetchall():
        if table in _UNSEALED:
            continue
        if COLUMN not in _columns(database, table):
            database.execute(f"ALTER TABLE {table} ADD COLUMN {COLUMN} INTEGER")
        names = ", ".join(n for n in _columns(database, table) if n != COLUMN)
        # Where rows only grow, their checksum is written once, by the trigger.
        for name, text in database.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? "
            "AND sql LIKE '%BEFORE UPDATE ON%'",
            (table,),
        ).fetchall():
            database.execute(f"DROP TRIGGER {name}")
            database.execute(text.replace("BEFORE UPDATE ON", f"BEFORE UPDATE OF {names} ON"))
        seal = f"UPDATE {table} SET {COLUMN} = {_FUNCTION}({names})"
        for when, name in (("INSERT", "sealed_when_new"), (f"UPDATE OF {names}", "sealed_when_changed")):
            database.execute(f"DROP TRIGGER IF EXISTS {table}_{name}")
            database.execute(
                f"CREATE TRIGGER {table}_{name} AFTER {when} ON {table} BEGIN {seal} WHERE rowid = NEW.rowid; END"
            )
        database.execute(seal)


def find_changed_row(database: sqlite3.Connection) -> str | None:
    """The first row that is not as it was written, in words. Every row is read."""
    teach(database)
    for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        columns = _columns(database, table)
        if COLUMN not in columns:
            continue
        names = ", ".join(n for n in columns if n != COLUMN)
        found = database.execute(
            f"SELECT rowid FROM {table} WHERE {COLUMN} IS NOT {_FUNCTION}({names}) LIMIT 1"
        ).fetchone()
        if found:
            return f"row {found[0]} of {table} is not as it was written"
    return None


def _columns(database: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
