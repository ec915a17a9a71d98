"""Output files named on the command line."""

from __future__ import annotations

from pathlib import Path

from edge_all.errors import UsageError
from edge_all.files.blocking_file import blocking_file


def file_to_write(name: str) -> Path:
    """Return the path of an output file.

    Raises:
        UsageError: when its folder does not exist or is a file. It is not created, because the name may be a typo.
    """
    path = Path(name)
    if (file := blocking_file(path.parent)) is not None:
        raise UsageError(f"cannot write {name} ({file} is not a folder)", "choose another file")
    if not path.parent.is_dir():
        raise UsageError(
            f"cannot write {name} (folder {path.parent} does not exist)", "create it, or choose another file"
        )
    return path


def require_png(path: Path) -> None:
    """Check the name of a PNG file.

    Raises:
        UsageError: when it does not end in .png, because the content would not match the name.
    """
    if path.suffix.lower() != ".png":
        raise UsageError(f"{path} is not a PNG file name", "use a name that ends in .png")


def write_asked(path: Path, data: bytes) -> None:
    """Write the file atomically.

    Raises:
        UsageError: when the file cannot be written.
    """
    from edge_all.files.atomic_write import PUBLIC, write_atomically

    try:
        write_atomically(path, data, mode=PUBLIC)
    except OSError as error:
        raise UsageError(f"cannot write {path} ({error.strerror})", "choose another file") from error
