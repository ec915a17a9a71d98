"""Write a file atomically, so that its name never refers to a partial file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, *parts: bytes, prefix: str = ".") -> None:
    """Write the concatenated parts to a file.

    They are written under a temporary name in the same folder and flushed to disk. The file is then renamed and the
    folder is flushed too.

    Args:
        path: The file to create or replace.
        parts: The content, in order.
        prefix: Prefix of the temporary name. Leftovers of a killed writer are recognized by it.

    Raises:
        OSError: If the file cannot be written; an existing file is left unchanged.
    """
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
