"""PNG files of crops that contain their row of the record."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge_all.domain.image import Image
from edge_all.errors import RecordError
from edge_all.record.write.png import SIGNATURE, PackedPixels, chunk, encode_png

KEYWORD = b"edge-all"
_BLOB = "base64"


def encode_crop(crop: Image | PackedPixels, row: dict[str, Any]) -> bytes:
    """Encode an RGB uint8 crop, or its packed pixels, as PNG with the row as JSON in an iTXt chunk.

    See the PNG specification, 11.3.3.4.
    """
    return encode_png(crop, _row_chunk(row))


def with_row(png: bytes, row: dict[str, Any]) -> bytes:
    """Return a PNG with the same pixels and another row."""
    parts = [
        _row_chunk(row) if kind == b"iTXt" and body.startswith(KEYWORD + b"\0") else chunk(kind, body)
        for kind, body in _chunks(png)
    ]
    return b"".join((SIGNATURE, *parts))


def read_crop_row(path: Path) -> dict[str, Any]:
    """Return the row in a crop, with all columns of its table. Raises RecordError if it contains none."""
    for kind, body in _chunks(path.read_bytes()):
        if kind == b"iTXt" and body.startswith(KEYWORD + b"\0"):
            row: dict[str, Any] = json.loads(body[len(KEYWORD) + 5 :], object_hook=_blob)
            return row
    raise RecordError(f"{path} contains no row of an edge-all record", "it was created or saved by another program")


def is_whole_png(path: Path) -> bool:
    """Return whether all chunks of the PNG are present with matching checksums."""
    return any(kind == b"IEND" for kind, _ in _chunks(path.read_bytes()))


def _row_chunk(row: dict[str, Any]) -> bytes:
    text = json.dumps(row, sort_keys=True, ensure_ascii=False, default=_encoded).encode()
    # keyword, terminator, not compressed, method 0, no language, no translated keyword, text
    return chunk(b"iTXt", KEYWORD + b"\0\0\0\0\0" + text)


def _encoded(blob: object) -> dict[str, str]:
    if not isinstance(blob, bytes):
        raise TypeError(f"{type(blob).__name__} is not a value of a row")
    return {_BLOB: base64.b64encode(blob).decode()}


def _blob(value: dict[str, Any]) -> Any:
    """Decode the value of a column that JSON has no type for; the row itself is unchanged."""
    return base64.b64decode(value[_BLOB]) if value.keys() == {_BLOB} else value


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and body of each chunk up to the first damaged one."""
    at = len(SIGNATURE)
    while data.startswith(SIGNATURE) and at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        end = at + 8 + length
        if data[end : end + 4] != struct.pack(">I", zlib.crc32(data[at + 4 : end])):
            return
        yield data[at + 4 : at + 8], data[at + 8 : end]
        at = end + 4
