"""The record for a server with many threads: each has a connection of its own."""

from __future__ import annotations

import threading
from pathlib import Path

from edge_all.record.record import Record
from edge_all.record.start import start_record


class RecordByThread:
    """Opens the record once in each thread that asks. A session may write it at the same time."""

    def __init__(self, folder: Path, *, create: bool = False, started: bool = False) -> None:
        """Looks for damage once; with create, mends it too (record/start.py), unless that was done: started. Raises
        RecordError."""
        self.folder = folder
        self._own = threading.local()
        self._lock = threading.Lock()
        self._all: list[Record] = []
        if create and not started:
            start_record(folder)
        Record.open(folder, create=create).close()

    def get(self) -> Record:
        """This thread's. Raises RecordError."""
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
        """Close all; nobody may ask any more."""
        with self._lock:
            for record in self._all:
                record.close()
            self._all.clear()
