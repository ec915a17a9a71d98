"""Opening the record's database: looked over, brought to the present schema, ready to be written or only read."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
from pathlib import Path
from urllib.parse import quote

from edge_all.errors import DamagedRecordError, RecordError
from edge_all.record.damage import find_damage
from edge_all.record.faults import WAIT_FOR_OTHERS_S, how_mended, told
from edge_all.record.migrating import migrate
from edge_all.record.row_checksum import teach
from edge_all.record.sidecar import sessions_beside

DATABASE = "record.sqlite3"
_CACHE_KIB = 512
"""Of pages, per connection. A session only appends; the kernel keeps what is read again."""


def open_database(folder: Path, *, create: bool = True, check: bool = True, name: str = DATABASE) -> sqlite3.Connection:
    """Open or make it. check: look for damage first, which takes seconds in a large one. create=False: neither folder
    nor database is made, and a folder that may not be written is only read.

    Raises RecordError (absent, read-only, newer), DiskFullError, DamagedRecordError.
    """
    path = folder / name
    with told(folder):
        if not create and not path.is_file():
            if sessions_beside(folder):
                raise DamagedRecordError(f"the database of the record in {folder} is gone", how_mended(folder))
            raise RecordError(
                f"there is no record in {folder}",
                "name its folder with --record or EDGE_ALL_RECORD, or make one with 'edge-all run'",
            )
        if create:
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
                raise RecordError(f"the record folder {folder} cannot be written", "name another with --record")
            _probe(folder)
        mode = "rwc" if create else "rw" if os.access(folder, os.W_OK) else "ro&immutable=1"
        # The record's one writer thread is not the thread that opens it.
        database = sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?mode={mode}",
            uri=True,
            timeout=WAIT_FOR_OTHERS_S,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            teach(database)  # one that is only read too: whoever tries to write it is told of that, not of a function
            if check and (damage := find_damage(database, thorough=False)):
                raise sqlite3.DatabaseError(damage)
            if "immutable" not in mode:
                database.execute("PRAGMA journal_mode = WAL")
                database.execute("PRAGMA synchronous = FULL")
                database.execute("PRAGMA foreign_keys = ON")
                database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
                migrate(database, folder)
        except BaseException:
            database.close()
            raise
    return database


def _probe(folder: Path) -> None:
    """A full disk is found out before a session begins, not in its middle."""
    probe = folder / f".probe-{os.getpid()}-{secrets.token_hex(2)}"
    try:
        with probe.open("wb") as file:
            file.write(b"\0" * 65536)
            file.flush()
            os.fsync(file.fileno())
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()
