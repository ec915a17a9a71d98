"""Write a file atomically, so that its name never refers to a partial file."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PUBLIC = 0o666
"""Mode of a file that others may read, as far as the umask lets them."""
PRIVATE = 0o600


def write_atomically(
    path: Path, *parts: bytes, prefix: str = ".", mode: int = PRIVATE, single_writer: bool = False
) -> None:
    """Write the concatenated parts to a file, as replacing() does.

    Raises:
        OSError: when the file cannot be written; an existing file is left unchanged.
    """
    with replacing(path, prefix=prefix, mode=mode, single_writer=single_writer) as file:
        file.writelines(parts)


@contextmanager
def replacing(
    path: Path, *, prefix: str = ".", mode: int = PRIVATE, single_writer: bool = False, durable: bool = True
) -> Iterator[BinaryIO]:
    """Yield a file to write to, which takes its name when the context ends without an error.

    It is written under a temporary name in the same folder and flushed to disk. The file is then renamed and the folder
    is flushed too.

    Args:
        path: The file to create or replace.
        prefix: Prefix of the temporary name. Leftovers of a killed writer are recognized by it.
        mode: Mode of the file, PRIVATE or PUBLIC.
        single_writer: No other process writes this file at the same time. The temporary name is then always the same,
            so that a large leftover of a killed writer is overwritten by the next one.
        durable: Flush to disk. Without it, a power cut may lose the new content, which spares an SD card.

    Raises:
        OSError: when the file cannot be written; an existing file is left unchanged.
    """
    temporary = path.with_name(f"{prefix}{path.name}-{'new' if single_writer else secrets.token_hex(4)}")
    once = os.O_TRUNC if single_writer else os.O_EXCL
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | once, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush a folder to disk, and with it the names of its files."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
