"""File format that detects changes: a header with a checksum, then a payload whose checksum is in the header.

8 bytes  magic
4 bytes  format version, little endian
4 bytes  length of the header's JSON, little endian
32 bytes SHA-256 of the two numbers and the JSON
JSON     {"about": ..., "payload_bytes": ..., "payload_sha256": ...}
payload
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_all.files.atomic_write import write_atomically

MAGIC = b"edgeall\n"
FORMAT = 1
TEMPORARY = ".writing-"
_NUMBERS = struct.Struct("<II")
_START = len(MAGIC) + _NUMBERS.size + 32
_LONGEST_HEADER = 1 << 20


class DamagedFileError(Exception):
    """The file is truncated, changed, of another format or not an engine file; the message states which."""


@dataclass(frozen=True)
class CheckedFile:
    """Content of a checked file."""

    about: dict[str, Any]
    payload: bytes


def write_checked(path: Path, about: Mapping[str, Any], payload: bytes) -> None:
    """Write a file atomically, safe against power failure: temporary name, fsync, rename, fsync of the folder.

    Raises:
        OSError: when the file cannot be written.
    """
    header = json.dumps(
        {"about": about, "payload_bytes": len(payload), "payload_sha256": hashlib.sha256(payload).hexdigest()},
        sort_keys=True,
    ).encode()
    numbers = _NUMBERS.pack(FORMAT, len(header))
    checksum = hashlib.sha256(numbers + header).digest()
    write_atomically(path, MAGIC, numbers, checksum, header, payload, prefix=TEMPORARY)


def read_checked(path: Path) -> CheckedFile:
    """Read and verify a file.

    Raises:
        DamagedFileError: when the file is damaged or of another format.
        OSError: when the file cannot be read.
    """
    data = path.read_bytes()
    if data[: len(MAGIC)] != MAGIC:
        raise DamagedFileError("it is not an edge-all engine file")
    if len(data) < _START:
        raise DamagedFileError("it is truncated")
    numbers = data[len(MAGIC) : len(MAGIC) + _NUMBERS.size]
    version, length = _NUMBERS.unpack(numbers)
    if version != FORMAT:
        raise DamagedFileError(f"it has format {version}, but this program reads format {FORMAT}")
    header = data[_START : _START + length]
    if length > _LONGEST_HEADER or len(header) != length:
        raise DamagedFileError("it is truncated")
    if hashlib.sha256(numbers + header).digest() != data[_START - 32 : _START]:
        raise DamagedFileError("its header was changed")
    content = json.loads(header)
    payload = data[_START + length :]
    if len(payload) != content["payload_bytes"]:
        raise DamagedFileError("it is truncated" if len(payload) < content["payload_bytes"] else "it has extra data")
    if hashlib.sha256(payload).hexdigest() != content["payload_sha256"]:
        raise DamagedFileError("its content was changed")
    return CheckedFile(content["about"], payload)
