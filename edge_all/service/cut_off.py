"""Sessions that a restart cut off: gone on with, but not again and again when going on is what ends the program."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from edge_all.errors import EdgeAllError
from edge_all.record.record import Record
from edge_all.record.reopening import find_open_session, read_open_session
from edge_all.session.announcing import Announcer
from edge_all.session.beginning import end_without_going_on

MOST_TRIES = 3


class CutOffSessions:
    """Of one camera in one record."""

    def __init__(self, record: Path, tries_file: Path) -> None:
        """tries_file: how often a session was gone on with; it outlives the program."""
        self._record, self._file = record, tries_file

    def newest(self, camera: str) -> str | None:
        """Id of the newest session without an end that no living program writes. Raises RecordError."""
        with Record.open(self._record, check=False) as record:
            row = find_open_session(record, camera)
        return row.id if row is not None else None

    def end(self, camera: str, why: str, announcer: Announcer | None = None) -> str | None:
        """End it with the counts that it has, and tell them; gives its id. Raises RecordError."""
        with Record.open(self._record, check=False) as record:
            row = find_open_session(record, camera)
            if row is None:
                return None
            end_without_going_on(record, read_open_session(record, row), why, announcer)
            return row.id

    def tries(self, session: str) -> int:
        """How often it was gone on with since it last ran well."""
        try:
            kept = json.loads(self._file.read_text())
            return int(kept["tries"]) if kept["session"] == session else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def note_try(self, session: str) -> None:
        """It is gone on with now."""
        tries = self.tries(session) + 1
        with contextlib.suppress(OSError, EdgeAllError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(json.dumps({"session": session, "tries": tries}))

    def forget(self) -> None:
        """It runs well, or has ended."""
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)
