"""Who writes a session now: a lock that the operating system takes back when its program dies."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import IO, Literal

from edge_all.errors import RecordError

try:
    import fcntl
except ImportError:  # Windows: one program at a time is trusted to know
    fcntl = None  # type: ignore[assignment]

Unended = Literal["running", "cut_off", "not_ended"]
"""Of a session without an end; not_ended: which of the two cannot be told."""

_FOLDER = "writing"
_TRIES, _TRIED_EVERY_S = 10, 0.02
"""Whoever asks whether a session is written holds its lock for a moment."""


class SessionLock:
    """Held from its making to release(), or to the program's end however that comes."""

    def __init__(self, folder: Path, session: str) -> None:
        """Raises RecordError when another program writes that session."""
        self._path = folder / _FOLDER / session
        self._path.parent.mkdir(exist_ok=True)
        self._file: IO[bytes] | None = None
        for _ in range(_TRIES):
            if self._take():
                return
            time.sleep(_TRIED_EVERY_S)
        raise RecordError(f"session {session} is written by another program", "stop that one, or begin another session")

    def _take(self) -> bool:
        file = self._path.open("ab")
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_of(file, self._path):
                self._file = file
                return True
        except OSError:  # another one has it
            pass
        file.close()
        return False

    def release(self) -> None:
        """It may be called twice."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._path)
            self._file.close()
            self._file = None


def _is_of(file: IO[bytes], path: Path) -> bool:
    """A lock that was released meanwhile is a file without a name."""
    return os.name != "posix" or os.path.samestat(os.fstat(file.fileno()), path.stat())


def is_written(folder: Path, session: str) -> bool:
    """Whether a program that lives holds the session. Changes nothing. Raises OSError where it may not be asked."""
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
    """What became of a session without an end."""
    try:
        if fcntl is not None:
            return "running" if is_written(folder, session) else "cut_off"
    except OSError:
        pass
    return "not_ended"


def unended_in_words(folder: Path, session: str) -> str:
    """The same for a terminal."""
    return {
        "running": "running",
        "cut_off": "not ended: cut off",
        "not_ended": "not ended: still running, or cut off",
    }[unended(folder, session)]
