"""Files that a command was asked to write."""

from __future__ import annotations

from pathlib import Path

from edge_all.errors import UsageError


def file_to_write(name: str) -> Path:
    """Where the user wants it. Raises UsageError where its folder is not there: a slip of the pen makes none."""
    path = Path(name)
    if not path.parent.is_dir():
        raise UsageError(f"cannot write {name} (there is no folder {path.parent})", "make it, or name another file")
    return path


def write_asked(path: Path, data: bytes) -> None:
    """Whole or not at all. Raises UsageError."""
    from edge_all.record.pictures import write_file

    try:
        write_file(path, data)
    except OSError as error:
        raise UsageError(f"cannot write {path} ({error.strerror})", "name another file") from error
