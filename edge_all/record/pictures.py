"""Pictures of the record: written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from pathlib import Path

from edge_all.vocabulary import Image

_JPEG_QUALITY = 92
TEMPORARY = ".tmp"


def write_file(path: Path, data: bytes) -> None:
    """Under a temporary name, to disk, then renamed: a power cut leaves no half picture under the final name. Its
    folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_files([(path, data)])


def write_files(files: Sequence[tuple[Path, bytes]], unsynced: Collection[Path] = ()) -> None:
    """Several of a record, KIND/SESSION/NAME in its folder, which has to be there: one that was moved or deleted is not
    made again for them. All are on disk when this returns, but for those unsynced: some of these are lost by a power
    cut, and an SD card is spared. One that replaces another does so whole or not at all. A new one may be left half by
    a power cut: no row names it then, and the start's repair takes it away.

    All are written before the first is synced: a journalling file system then takes them to disk together. Names that
    a rename gave are on disk only when their folder is synced too; a new file's name goes with the file.
    """
    written = [path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY}") if path.exists() else path for path, _ in files]
    try:
        with ExitStack() as opened:
            handles = []
            for (path, data), name in zip(files, written, strict=True):
                _make_folder(path.parent)
                handle = opened.enter_context(name.open("wb"))
                handle.write(data)
                handle.flush()
                if path not in unsynced:
                    handles.append(handle)
            for handle in handles:
                os.fsync(handle.fileno())
        changed = {path.parent for path, _ in files if path not in unsynced}
        for (path, _), name in zip(files, written, strict=True):
            if name != path:
                name.replace(path)
        for folder in changed:
            _sync_folder(folder)
    except BaseException:
        for name in written:
            name.unlink(missing_ok=True)
        raise


def _make_folder(folder: Path) -> None:
    """Below a folder that is there, two deep."""
    if not folder.is_dir():
        folder.parent.mkdir(exist_ok=True)
        folder.mkdir(exist_ok=True)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def encode_field(image: Image) -> bytes:
    """JPEG of an RGB uint8 field, as the camera saw it."""
    import cv2

    # cvtColor turns the channels six times as fast as a strided copy.
    turned = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", turned, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return encoded.tobytes()
