"""Open the record's database: check it, migrate it to the current schema, and prepare it for writing or reading."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
from pathlib import Path
from urllib.parse import quote

from edge_all.errors import DamagedRecordError, RecordError
from edge_all.record.db.checksums import register_checksum
from edge_all.record.db.errors import WAIT_FOR_OTHERS_S, remedy_for, translate_errors
from edge_all.record.db.integrity import find_damage
from edge_all.record.db.known_labels import note_labels, refuse_unknown_labels
from edge_all.record.db.migrations import migrate
from edge_all.record.location import session_sidecars

DATABASE = "record.sqlite3"
_CACHE_KIB = 512
"""Page cache per connection, KiB. A session only appends, and the kernel caches what is read again."""


def open_database(folder: Path, *, create: bool = True, check: bool = True, name: str = DATABASE) -> sqlite3.Connection:
    """Open the database of a record, or create it.

    Args:
        folder: The record's folder.
        create: Create folder and database if needed. If False, a folder without write permission is opened read-only.
        check: Check for damage first, which takes seconds for a large record.
        name: File name of the database.

    Raises:
        RecordError: when the record does not exist, is read-only or was written by a newer version.
        DiskFullError: when there is not enough space.
        DamagedRecordError: when the database is damaged or missing.
    """
    path = folder / name
    with translate_errors(folder):
        if not create and not path.is_file():
            if session_sidecars(folder):
                raise DamagedRecordError(f"the database of the record in {folder} is missing", remedy_for(folder))
            raise RecordError(
                f"there is no record in {folder}",
                "set its folder with --record or EDGE_ALL_RECORD, or create one with 'edge-all run'",
            )
        if create:
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
                raise RecordError(f"the record folder {folder} cannot be written", "choose another one with --record")
            _probe(folder)
        mode = "rwc" if create else "rw" if os.access(folder, os.W_OK) else "ro&immutable=1"
        # The record has a single writer thread, which is not the thread that opens it.
        database = sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?mode={mode}",
            uri=True,
            timeout=WAIT_FOR_OTHERS_S,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            # Also if read-only, so that a write fails for that reason and not for a missing function.
            register_checksum(database)
            if check and (damage := find_damage(database, thorough=False)):
                raise sqlite3.DatabaseError(damage)
            if "immutable" not in mode:
                database.execute("PRAGMA journal_mode = WAL")
                database.execute("PRAGMA synchronous = FULL")
                database.execute("PRAGMA foreign_keys = ON")
                database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
                migrate(database, folder)
                refuse_unknown_labels(database, folder)
                note_labels(database)
            else:
                refuse_unknown_labels(database, folder)
        except BaseException:
            database.close()
            raise
    return database


def _probe(folder: Path) -> None:
    """Detect a full disk before a session starts rather than in the middle of it."""
    probe = folder / f".probe-{os.getpid()}-{secrets.token_hex(2)}"
    try:
        with probe.open("wb") as file:
            file.write(b"\0" * 65536)
            file.flush()
            os.fsync(file.fileno())
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()
