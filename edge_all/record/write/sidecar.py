"""Second copy, next to the database, of the rows that no picture contains: sessions, verdicts, approvals and deletions.

``sidecar/SESSION.jsonl`` has a line for each write of a row. A line contains the whole row, so the last line of a row
applies. Lines are written after the commit, so a sidecar never contains anything that is not in the database.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from edge_all.domain.labels import LABELS
from edge_all.record.db.checksums import COLUMN
from edge_all.record.location import SIDECARS

TABLES = ("session", "verdict", "approval", "deletion")
_KEY = {"session": "id", "verdict": "session", "approval": "session", "deletion": "session"}


class Rows(Protocol):
    """A record whose rows are copied."""

    @property
    def folder(self) -> Path:
        """Folder of the record."""
        ...

    def mappings(self, query: str, values: tuple[Any, ...]) -> list[dict[str, Any]]:
        """Return rows by column name."""
        ...


def note_rows(record: Rows, session: str, table: str, after: int = -1) -> None:
    """Copy a session's rows of a table; of verdict, approval and deletion, only rows with an id above ``after``.

    On a full disk, only this copy is lost.
    """
    numbered = "" if table == "session" else f"AND id > {int(after)} ORDER BY id"
    rows = record.mappings(f"SELECT * FROM {table} WHERE {_KEY[table]} = ? {numbered}", (session,))
    lines = b"".join(_line(table, row) for row in rows)
    path = record.folder / SIDECARS / f"{session}.jsonl"
    with contextlib.suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, lines)
            os.fsync(handle)
        finally:
            os.close(handle)


def read_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield table and row of each intact line; lines damaged by a power cut or a bad disk are skipped."""
    for line in path.read_bytes().splitlines():
        checksum, _, text = line.partition(b" ")
        with contextlib.suppress(ValueError, KeyError, TypeError):
            if int(checksum, 16) != zlib.crc32(text):
                continue
            entry = json.loads(text)
            if entry["table"] in TABLES:
                yield entry["table"], _current(entry["row"])


def _current(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with today's key of a label that an older version wrote."""
    return row | {"label": LABELS.current(row["label"])} if row.get("label") else row


def _line(table: str, row: Mapping[str, Any]) -> bytes:
    text = json.dumps(
        {"table": table, "row": {name: row[name] for name in row if name != COLUMN}}, ensure_ascii=False
    ).encode()
    # A leading newline separates it from a truncated line.
    return b"\n%08x %s\n" % (zlib.crc32(text), text)
