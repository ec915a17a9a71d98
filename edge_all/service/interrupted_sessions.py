"""Interrupted sessions: resumed after a restart, with a limit in case resuming is what ends the program."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from edge_all.errors import EdgeAllError
from edge_all.files.atomic_write import write_atomically
from edge_all.record.sessions.resume import find_open_session, read_open_session
from edge_all.record.store import Record
from edge_all.session.lifecycle import end_without_resuming
from edge_all.session.listener import TransactionListener

MOST_TRIES = 3


class InterruptedSessions:
    """Interrupted sessions in one record, with a persistent count of attempts to resume."""

    def __init__(self, record: Path, tries_file: Path) -> None:
        """Create the object. ``tries_file`` stores how often a session was resumed, across restarts."""
        self._record, self._file = record, tries_file

    def newest(self, camera: str) -> str | None:
        """Return the id of the camera's newest unfinished session that no running program is writing, or None.

        Raises:
            RecordError: when the record cannot be read.
        """
        with Record.open(self._record, check=False) as record:
            row = find_open_session(record, camera)
        return row.id if row is not None else None

    def end(self, camera: str, why: str, listener: TransactionListener | None = None) -> str | None:
        """End the camera's newest interrupted session with its present counts and notify the listener.

        Returns:
            The id of the session, or None when there is none.

        Raises:
            RecordError: when the record cannot be written.
        """
        with Record.open(self._record, check=False) as record:
            row = find_open_session(record, camera)
            if row is None:
                return None
            end_without_resuming(record, read_open_session(record, row), why, listener)
            return row.id

    def tries(self, session: str) -> int:
        """Return how often the session was resumed since it last ran well."""
        try:
            stored = json.loads(self._file.read_text())
            return int(stored["tries"]) if stored["session"] == session else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def note_try(self, session: str) -> None:
        """Record an attempt to resume the session."""
        tries = self.tries(session) + 1
        with contextlib.suppress(OSError, EdgeAllError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._file, json.dumps({"session": session, "tries": tries}).encode())

    def forget(self) -> None:
        """Clear the attempts, because the session runs well or has ended."""
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)
