"""Migration of a database to the current schema, step by step, after a backup."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from edge_all.errors import RecordError
from edge_all.record.db.backup import make_backup
from edge_all.record.db.checksums import register_checksum
from edge_all.record.db.tables import VERSION, take_step


def migrate(database: sqlite3.Connection, folder: Path) -> None:
    """Migrate a database, each step in one transaction. Two processes may do this at the same time.

    Raises:
        RecordError: when the database has a newer schema.
        sqlite3.DatabaseError: when the two places that store the version disagree, because the database is damaged.
    """
    register_checksum(database)
    has_backup = int(database.execute("PRAGMA user_version").fetchone()[0]) == 0  # a new database needs no backup
    while True:
        version = int(database.execute("PRAGMA user_version").fetchone()[0])
        noted = _noted_version(database)
        if noted is not None and noted != version:
            raise sqlite3.DatabaseError(f"it contains conflicting schema versions, {version} and {noted}")
        if version > VERSION:
            raise RecordError(
                f"the record in {folder} was written by a newer edge-all (schema {version}, known {VERSION})",
                "update edge-all, or choose another folder with --record",
            )
        if version == VERSION:
            return
        if not has_backup:
            make_backup(folder, database, f"before-{VERSION}", keep=2)
            has_backup = True
        database.execute("BEGIN IMMEDIATE")
        try:
            if int(database.execute("PRAGMA user_version").fetchone()[0]) == version:
                take_step(database, version)
                database.execute(f"PRAGMA user_version = {version + 1}")
                if _noted_version(database) is not None:
                    database.execute("UPDATE schema_version SET version = ?", (version + 1,))
            database.execute("COMMIT")
        except BaseException:
            database.execute("ROLLBACK")
            raise


def _noted_version(database: sqlite3.Connection) -> int | None:
    """Return the version stored in a table, in addition to the header, because the header has no checksum."""
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'").fetchone():
        return None
    row = database.execute("SELECT version FROM schema_version").fetchone()
    if row is None or not isinstance(row[0], int):
        raise sqlite3.DatabaseError("the version of its schema cannot be read")
    return row[0]
