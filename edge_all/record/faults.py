"""Errors of the disk and of the database as one line with the remedy."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from edge_all.errors import DamagedRecordError, DiskFullError, RecordError

WAIT_FOR_OTHERS_S = 30.0
SQLITE_FAULTS = (sqlite3.Error, UnicodeDecodeError)
"""SQLite's messages quote what they are about: Python cannot read one about damaged bytes, and says only that."""
_MENDED = "the next 'edge-all run' on it, or the service, mends it; until then it is left as it is"
_COPIED = "copy the folder to where you may write: the next 'edge-all run' on the copy mends it"
NOT_MENDED = "move the folder aside and name a new one with --record; the crops in it still carry their rows"
_FULL = "free some space, or name a folder on another disk with --record; what was recorded is safe"


@contextlib.contextmanager
def told(folder: Path) -> Iterator[None]:
    """Raises DiskFullError, DamagedRecordError, RecordError in place of OSError and SQLite's own."""
    try:
        yield
    except RecordError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(f"the disk of the record folder {folder} is full", _FULL) from error
        raise RecordError(
            f"the record folder {folder} cannot be used ({error.strerror or error})",
            "check the path and its rights, or name another with --record",
        ) from error
    except SQLITE_FAULTS as error:
        raise _of_sqlite(error, folder) from error


def _has_no_room(folder: Path) -> bool:
    """SQLite cannot always tell a full disk from one that fails (its shared memory has to grow)."""
    try:
        return shutil.disk_usage(folder).free < 1 << 20
    except OSError:
        return False


def in_words(error: BaseException) -> str:
    """What SQLite says of a fault."""
    return "what it holds is no text" if isinstance(error, UnicodeDecodeError) else str(error)


def how_mended(folder: Path) -> str:
    """The remedy of a damaged record whose mending was not tried yet."""
    return _MENDED if os.access(folder, os.W_OK) else _COPIED


def _of_sqlite(error: Exception, folder: Path) -> RecordError:
    text = in_words(error)
    if "full" in text or ("I/O" in text and _has_no_room(folder)):
        return DiskFullError(f"the disk of the record folder {folder} is full", _FULL)
    if "locked" in text or "busy" in text:
        return RecordError(
            f"the record in {folder} was held by another program for {WAIT_FOR_OTHERS_S:.0f} s",
            "close the program that holds it, or name another folder with --record",
        )
    if "readonly" in text or "unable to open" in text:
        return RecordError(
            f"the record in {folder} cannot be written", "check its rights, or name another with --record"
        )
    return DamagedRecordError(f"the record in {folder} is damaged ({text})", how_mended(folder))
