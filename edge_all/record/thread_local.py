"""Record for a server with many threads, with a separate connection for each."""

from __future__ import annotations

import threading
from pathlib import Path

from edge_all.record.recovery.startup import start_record
from edge_all.record.store import Record


class ThreadLocalRecord:
    """Record with thread-local connections, opened on first use. A session may write to it at the same time."""

    def __init__(self, folder: Path, *, create: bool = False, started: bool = False) -> None:
        """Check the record for damage once.

        Args:
            folder: The record's folder.
            create: Create the record if needed, and repair it first (record/recovery/startup.py).
            started: Skip the repair because it was already done.

        Raises:
            RecordError: when the record cannot be opened.
        """
        self.folder = folder
        self._own = threading.local()
        self._lock = threading.Lock()
        self._all: list[Record] = []
        if create and not started:
            start_record(folder)
        Record.open(folder, create=create).close()

    def get(self) -> Record:
        """Return this thread's connection, opening it if needed. Raises RecordError if it cannot be opened."""
        record: Record | None = getattr(self._own, "record", None)
        if record is not None and record.is_set_aside:
            with self._lock:
                self._all.remove(record)
            self._own.record = None
            record.close()
            record = None
        if record is None:
            record = Record.open(self.folder, create=False, check=False)
            self._own.record = record
            with self._lock:
                self._all.append(record)
        return record

    def close(self) -> None:
        """Close all connections; get must not be called afterward."""
        with self._lock:
            for record in self._all:
                record.close()
            self._all.clear()
