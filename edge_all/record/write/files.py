"""Pictures of the record, written completely or not at all."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from pathlib import Path

from edge_all.domain.image import Image
from edge_all.files.atomic_write import sync_folder

_JPEG_QUALITY = 92
TEMPORARY = ".tmp"


def write_files(files: Sequence[tuple[Path, bytes]], unsynced: Collection[Path] = ()) -> None:
    """Write several pictures of a record, KIND/SESSION/NAME in its folder.

    The record's folder must exist. It is not created again if it was moved or deleted. A picture that replaces another
    does so completely or not at all. A power cut may leave a new one partially written. In that case no row refers to
    it, and the repair at the next start deletes it.

    All are written before the first is synced, so that a journaling file system commits them together. A rename is on
    disk only after the folder is synced too, while a new file's name is synced with the file.

    Args:
        files: Paths and contents. All are on disk when this returns, except the unsynced ones.
        unsynced: Paths not to sync, to spare an SD card. A power cut may lose some of them.

    Raises:
        OSError: when a file cannot be written; the files written so far are removed.
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
            sync_folder(folder)
    except BaseException:
        for name in written:
            name.unlink(missing_ok=True)
        raise


def _make_folder(folder: Path) -> None:
    """Create a folder, at most two levels below an existing one."""
    if not folder.is_dir():
        folder.parent.mkdir(exist_ok=True)
        folder.mkdir(exist_ok=True)


def encode_field(image: Image) -> bytes:
    """Encode an RGB uint8 field, H x W x 3, as JPEG, unmodified."""
    import cv2

    # cvtColor swaps the channels six times as fast as a strided copy.
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return encoded.tobytes()
