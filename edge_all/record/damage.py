"""Looks a database over: what SQLite itself finds, a schema and values that no edge-all wrote."""

from __future__ import annotations

import json
import sqlite3

from edge_all.record.changed_schema import find_changed_schema
from edge_all.record.faults import SQLITE_FAULTS, in_words
from edge_all.record.row_checksum import find_changed_row

_STORED = {"REAL": "'real', 'integer'", "INTEGER": "'integer'", "TEXT": "'text'"}
_JSON = {"session": ("models", "counts", "settings")}


def find_damage(database: sqlite3.Connection, *, thorough: bool = True) -> str | None:
    """The first damage found, in words; None for a sound database. thorough: indexes against their tables, types of
    values, references and every row's checksum too, which takes some times as long as PRAGMA quick_check."""
    try:
        check = "integrity_check" if thorough else "quick_check"
        found = str(database.execute(f"PRAGMA {check}(1)").fetchone()[0])
        if found != "ok":
            return found
        if changed := find_changed_schema(database):
            return changed
        return (_foreign_values(database) or find_changed_row(database)) if thorough else None
    except SQLITE_FAULTS as error:
        return in_words(error)


def _foreign_values(database: sqlite3.Connection) -> str | None:
    if broken := database.execute("PRAGMA foreign_key_check").fetchone():
        return f"a row of {broken[0]} names no session"
    tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        conditions, columns, texts = [], set(), []
        for _, name, declared, needed, _, _ in database.execute(f"PRAGMA table_info({table})"):
            columns.add(name)
            if declared == "TEXT":
                texts.append(name)
            if declared in _STORED:
                also = "" if needed else ", 'null'"
                conditions.append(f"typeof({name}) NOT IN ({_STORED[declared]}{also})")
        if conditions and database.execute(f"SELECT 1 FROM {table} WHERE {' OR '.join(conditions)}").fetchone():
            return f"a value in {table} is of another type than it was written"
        if texts:
            for _ in database.execute(f"SELECT {', '.join(texts)} FROM {table}"):  # raises for bytes that are no text
                pass
        for name in columns.intersection(_JSON.get(table, ())):
            for (text,) in database.execute(f"SELECT {name} FROM {table} WHERE {name} IS NOT NULL"):
                try:
                    json.loads(text)
                except ValueError:
                    return f"{name} of a {table} cannot be read"
    return None
