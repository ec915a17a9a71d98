"""A record as an older version of the program left it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from edge_all.record.db.checksums import register_checksum
from edge_all.record.db.connection import DATABASE
from edge_all.record.db.tables import take_step

_OF_THE_SCHEMA = ("schema_version",)


def turn_back(folder: Path, version: int, statements: Sequence[str] = ()) -> None:
    """Give the database of a closed record an older schema, with the same rows as far as that schema has columns.

    statements: run at the end, for values that only the older version wrote.
    """
    with closing(sqlite3.connect(folder / DATABASE)) as new:
        tables = [name for (name,) in new.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {}
        for table in tables:
            found = new.execute(f"SELECT * FROM {table}")
            names = [d[0] for d in found.description]
            rows[table] = [dict(zip(names, row, strict=True)) for row in found]
    for path in folder.glob(f"{DATABASE}*"):
        path.unlink()
    with closing(sqlite3.connect(folder / DATABASE, isolation_level=None)) as old:
        register_checksum(old)
        for number in range(version):
            take_step(old, number)
        there = [name for (name,) in old.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in there:
            if table.startswith("sqlite") or table in _OF_THE_SCHEMA:
                continue
            known = [r[1] for r in old.execute(f"PRAGMA table_info({table})") if r[1] != "checksum"]
            for row in rows[table]:
                names = [name for name in known if name in row]
                old.execute(
                    f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
                    [row[name] for name in names],
                )
        old.execute(f"PRAGMA user_version = {version}")
        if "schema_version" in there:
            old.execute("UPDATE schema_version SET version = ?", (version,))
        for statement in statements:
            old.execute(statement)
