"""Integrity check of a database: SQLite's own checks, unexpected schema objects and invalid values."""

from __future__ import annotations

import json
import sqlite3

from edge_all.record.db.checksums import find_changed_row
from edge_all.record.db.errors import SQLITE_FAULTS, in_words
from edge_all.record.db.schema_check import find_changed_schema

_STORED = {"REAL": "'real', 'integer'", "INTEGER": "'integer'", "TEXT": "'text'"}
_JSON = {"session": ("models", "counts", "settings")}


def find_damage(database: sqlite3.Connection, *, thorough: bool = True) -> str | None:
    """Describe the first damage found; return None for an intact database.

    thorough: Also check indexes against their tables, types of values, references and the checksum of every row. This
    takes several times as long as PRAGMA quick_check.
    """
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
        return f"a row of {broken[0]} refers to a missing session"
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
            return f"a value in {table} has the wrong type"
        if texts:
            for _ in database.execute(f"SELECT {', '.join(texts)} FROM {table}"):  # raises for bytes that are not text
                pass
        for name in columns.intersection(_JSON.get(table, ())):
            for (text,) in database.execute(f"SELECT {name} FROM {table} WHERE {name} IS NOT NULL"):
                try:
                    json.loads(text)
                except ValueError:
                    return f"{name} of a {table} is not valid JSON"
    return None
