"""Who writes a session now: a lock that the operating system takes back when its program dies."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import IO

from edge_all.errors import RecordError

try:
    import fcntl
except ImportError:  # Windows: one program at a time is trusted to know
    fcntl = None  # type: ignore[assignment]

_FOLDER = "writing"


class SessionLock:
    """Held from its making to release(), or to the program's end however that comes."""

    def __init__(self, folder: Path, session: str) -> None:
        """Raises RecordError when another program writes that session."""
        self._path = folder / _FOLDER / session
        self._path.parent.mkdir(exist_ok=True)
        self._file: IO[bytes] | None = self._path.open("ab")
        try:
            if fcntl is not None:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise RecordError(
                f"session {session} is written by another program", "stop that one, or begin another session"
            ) from error

    def release(self) -> None:
        """It may be called twice."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._path)
            self._file.close()
            self._file = None


def is_written(folder: Path, session: str) -> bool:
    """Whether a program that lives holds the session."""
    path = folder / _FOLDER / session
    if not path.exists():
        return False
    try:
        SessionLock(folder, session).release()
    except RecordError:
        return True
    return False


def unended_in_words(folder: Path, session: str) -> str:
    """Of a session without an end: whether a program still writes it; where the record may not be written, unknown."""
    try:
        return "running" if is_written(folder, session) else "not ended: cut off"
    except OSError:
        return "not ended: still running, or cut off"
