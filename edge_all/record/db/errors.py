"""Translation of disk and database errors into one line with the remedy."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from edge_all.errors import DamagedRecordError, DiskFullError, RecordError
from edge_all.files.blocking_file import blocking_file
from edge_all.files.file_names import in_utf8

WAIT_FOR_OTHERS_S = 30.0
SQLITE_FAULTS = (sqlite3.Error, UnicodeDecodeError)
"""Errors of SQLite. Its messages quote data, and Python raises UnicodeDecodeError if the quoted bytes are damaged."""
_REPAIRABLE = "the next 'edge-all run' on it, or the service, repairs it; until then it is left unchanged"
_COPY_FIRST = "copy the folder to a writable location; the next 'edge-all run' on the copy repairs it"
REMEDY_WITHOUT_REPAIR = (
    "move the folder aside and choose a new one with --record; the crops in it still contain their rows"
)
_FULL = "free some space, or choose a folder on another disk with --record; the data recorded so far is safe"


@contextlib.contextmanager
def translate_errors(folder: Path) -> Iterator[None]:
    """Raise DiskFullError, DamagedRecordError or RecordError in place of OSError and SQLite's errors."""
    try:
        yield
    except RecordError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(f"the disk of the record folder {folder} is full", _FULL) from error
        if (file := blocking_file(folder)) is not None:
            raise RecordError(
                f"{in_utf8(file)} is a file, not a folder", "choose another folder with --record"
            ) from error
        raise RecordError(
            f"the record folder {folder} cannot be used ({error.strerror or error})",
            "check the path and its permissions, or choose another one with --record",
        ) from error
    except SQLITE_FAULTS as error:
        raise _of_sqlite(error, folder) from error


def _has_no_room(folder: Path) -> bool:
    """Return whether the disk is full; SQLite may report an I/O error when its shared memory cannot grow."""
    try:
        return shutil.disk_usage(folder).free < 1 << 20
    except OSError:
        return False


def in_words(error: BaseException) -> str:
    """Return SQLite's description of a fault."""
    return "it contains invalid text" if isinstance(error, UnicodeDecodeError) else str(error)


def remedy_for(folder: Path) -> str:
    """Return the remedy for a damaged record that no repair was attempted on yet."""
    return _REPAIRABLE if os.access(folder, os.W_OK) else _COPY_FIRST


def _of_sqlite(error: Exception, folder: Path) -> RecordError:
    text = in_words(error)
    if "full" in text or ("I/O" in text and _has_no_room(folder)):
        return DiskFullError(f"the disk of the record folder {folder} is full", _FULL)
    if "locked" in text or "busy" in text:
        return RecordError(
            f"the record in {folder} was locked by another program for {WAIT_FOR_OTHERS_S:.0f} s",
            "close the program that locks it, or choose another folder with --record",
        )
    if "readonly" in text or "unable to open" in text:
        return RecordError(
            f"the record in {folder} cannot be written", "check its permissions, or choose another folder with --record"
        )
    return DamagedRecordError(f"the record in {folder} is damaged ({text})", remedy_for(folder))
