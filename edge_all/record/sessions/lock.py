"""Lock on the session being written, which the operating system releases when its program dies."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import IO, Literal

from edge_all.errors import RecordError

try:
    import fcntl
except ImportError:  # Windows: there is no lock, so only one program at a time may write
    fcntl = None  # type: ignore[assignment]

Unended = Literal["running", "cut_off", "not_ended"]
"""State of a session without an end; "not_ended" if the other two cannot be distinguished."""

_FOLDER = "writing"
_TRIES, _RETRY_S = 10, 0.02
"""Retries are needed because checking whether a session is being written holds its lock for a moment."""


class SessionLock:
    """Lock held from construction to release(), or until the program ends in any way."""

    def __init__(self, folder: Path, session: str) -> None:
        """Take the lock. Raises RecordError if another program is writing that session."""
        self._path = folder / _FOLDER / session
        self._path.parent.mkdir(exist_ok=True)
        self._file: IO[bytes] | None = None
        for _ in range(_TRIES):
            if self._take():
                return
            time.sleep(_RETRY_S)
        raise RecordError(
            f"session {session} is being written by another program", "stop that program, or start another session"
        )

    def _take(self) -> bool:
        file = self._path.open("ab")
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_of(file, self._path):
                self._file = file
                return True
        except OSError:  # another program holds it
            pass
        file.close()
        return False

    def release(self) -> None:
        """Release the lock; has no effect if it is already released."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._path)
            self._file.close()
            self._file = None


def _is_of(file: IO[bytes], path: Path) -> bool:
    """Return whether the open file is still at the path. A lock that was just released is a file without a name."""
    return os.name != "posix" or os.path.samestat(os.fstat(file.fileno()), path.stat())


def is_written(folder: Path, session: str) -> bool:
    """Return whether a running program is writing the session, without changing anything.

    Raises OSError if the lock cannot be accessed.
    """
    if fcntl is None:
        return False
    try:
        with (folder / _FOLDER / session).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def unended(folder: Path, session: str) -> Unended:
    """Return the state of a session without an end."""
    try:
        if fcntl is not None:
            return "running" if is_written(folder, session) else "cut_off"
    except OSError:
        pass
    return "not_ended"


def unended_in_words(folder: Path, session: str) -> str:
    """Return the state of a session without an end as text for a terminal."""
    return {
        "running": "running",
        "cut_off": "not ended (interrupted)",
        "not_ended": "not ended (running or interrupted)",
    }[unended(folder, session)]
