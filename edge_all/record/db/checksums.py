"""Checksum of the values in every row, because SQLite's own checks do not detect a flipped bit inside a value.

Triggers write the checksum on every change of a row. They call a function of this program, so another program can read
the record but cannot change it.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Sequence

COLUMN = "checksum"
_FUNCTION = "row_checksum"
_UNSEALED = ("schema_version",)
"""Tables without a checksum. This one is compared with the database's header."""


def row_checksum(*values: object) -> int:
    """Return the checksum of a row's other values, in column order. Their ASCII form is the same in every Python."""
    return zlib.crc32(ascii(values).encode())


def register_checksum(database: sqlite3.Connection) -> None:
    """Register the function that the triggers call."""
    database.create_function(_FUNCTION, -1, row_checksum, deterministic=True)


def seal_tables(database: sqlite3.Connection) -> None:
    """Add the checksum column and its triggers to each table, within the caller's transaction.

    The triggers are created again, so that they include columns added to the table since.
    """
    for (table,) in database.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name"
    ).fetchall():
        if table in _UNSEALED:
            continue
        names = _add_column(database, table)
        # In tables whose rows must not change, the trigger still has to write the checksum once.
        for name, text in database.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? "
            "AND sql LIKE '%BEFORE UPDATE ON%'",
            (table,),
        ).fetchall():
            database.execute(f"DROP TRIGGER {name}")
            database.execute(text.replace("BEFORE UPDATE ON", f"BEFORE UPDATE OF {names} ON"))
        _add_triggers(database, table, names)
        database.execute(_seal(table, names))


def seal_new_table(database: sqlite3.Connection, table: str) -> None:
    """Add checksum column and triggers to one table that a step has made, within the caller's transaction.

    Rows that it contains keep their checksums, so that a row that is damaged stays recognizable.
    """
    _add_triggers(database, table, _add_column(database, table))


def add_columns(database: sqlite3.Connection, table: str, columns: Sequence[str]) -> None:
    """Add columns to a sealed table, within the caller's transaction.

    A row whose checksum does not match keeps it, so that a row that is damaged stays recognizable.

    Args:
        database: The connection.
        table: Name of the table.
        columns: Definition of each column.
    """
    before = _add_column(database, table)
    for definition in columns:
        database.execute(f"ALTER TABLE {table} ADD COLUMN {definition}")
    names = _add_column(database, table)
    _add_triggers(database, table, names)
    database.execute(f"{_seal(table, names)} WHERE {COLUMN} IS {_FUNCTION}({before})")


def _add_column(database: sqlite3.Connection, table: str) -> str:
    """Add the checksum column if it is missing, and return the names of the others for a statement."""
    if COLUMN not in _columns(database, table):
        database.execute(f"ALTER TABLE {table} ADD COLUMN {COLUMN} INTEGER")
    return ", ".join(n for n in _columns(database, table) if n != COLUMN)


def _add_triggers(database: sqlite3.Connection, table: str, names: str) -> None:
    for when, name in (("INSERT", "sealed_when_new"), (f"UPDATE OF {names}", "sealed_when_changed")):
        database.execute(f"DROP TRIGGER IF EXISTS {table}_{name}")
        database.execute(
            f"CREATE TRIGGER {table}_{name} AFTER {when} ON {table} BEGIN {_seal(table, names)} "
            "WHERE rowid = NEW.rowid; END"
        )


def _seal(table: str, names: str) -> str:
    return f"UPDATE {table} SET {COLUMN} = {_FUNCTION}({names})"


def find_changed_row(database: sqlite3.Connection) -> str | None:
    """Describe the first row whose checksum does not match, after reading every row; None if there is none."""
    register_checksum(database)
    for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        columns = _columns(database, table)
        if COLUMN not in columns:
            continue
        names = ", ".join(n for n in columns if n != COLUMN)
        found = database.execute(
            f"SELECT rowid FROM {table} WHERE {COLUMN} IS NOT {_FUNCTION}({names}) LIMIT 1"
        ).fetchone()
        if found:
            return f"row {found[0]} of {table} does not match its checksum"
    return None


def _columns(database: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
