"""Pictures of the record: written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from edge_all.vocabulary import Image

_JPEG_QUALITY = 92


def write_file(path: Path, data: bytes, *, synced: bool = True) -> None:
    """Under a temporary name, to disk, then renamed: a power cut leaves no half picture under the final name. Not
    synced: some are lost by one, and an SD card is spared."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            if synced:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def encode_field(image: Image) -> bytes:
    """JPEG of an RGB uint8 field, as the camera saw it."""
    import cv2

    # cvtColor turns the channels six times as fast as a strided copy.
    turned = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", turned, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return encoded.tobytes()
