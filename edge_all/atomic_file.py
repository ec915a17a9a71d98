"""Writes a file so that its name never stands for half of it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, *parts: bytes, prefix: str = ".") -> None:
    """The parts, one after the other: under a temporary name in the same folder, flushed to disk, renamed, and the
    folder flushed too. prefix: of the temporary name, by which left-overs of a killed writer are known. Raises
    OSError; the file that was there stays then."""
    handle, name = tempfile.mkstemp(prefix=f"{prefix}{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
