"""Labels known to the programs that wrote a record, so that an older program does not miscount what a newer one wrote.

The schema does not list the labels. A program that opens a record for writing adds its own to the table "label". A
program that does not know all of them refuses the record.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from edge_all.domain.labels import LABELS
from edge_all.errors import RecordError


def refuse_unknown_labels(database: sqlite3.Connection, folder: Path) -> None:
    """Raise RecordError if a program that knows more labels has written this record."""
    if unknown := sorted(_noted(database) - {row.key for row in LABELS}):
        raise RecordError(
            f"the record in {folder} was written by a newer edge-all, which knows the labels {', '.join(unknown)}",
            "update edge-all, or choose another folder with --record",
        )


def note_labels(database: sqlite3.Connection) -> None:
    """Note the labels of this program in one transaction. Nothing is written if the record has them all."""
    missing = [row.key for row in LABELS if row.key not in _noted(database)]
    if not missing:
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        database.executemany("INSERT OR IGNORE INTO label (key) VALUES (?)", [(key,) for key in missing])
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def _noted(database: sqlite3.Connection) -> set[str]:
    if not database.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'label'").fetchone():
        return set()  # an older schema, opened read-only
    return {LABELS.current(str(key)) for (key,) in database.execute("SELECT key FROM label")}
