"""Integrity check of SQLite's write-ahead log. SQLite silently drops everything after a damaged frame.

Format: https://www.sqlite.org/fileformat2.html#walformat
"""

from __future__ import annotations

import struct
from pathlib import Path

from edge_all.record.db.raw_file import read_without_releasing_locks

_HEADER, _FRAME_HEADER = 32, 24
_BIG_ENDIAN, _LITTLE_ENDIAN = 0x377F0683, 0x377F0682
_MOST_BYTES = 64 << 20
"""A longer log is not checked because its checksums would take seconds."""


def lost_frames(path: Path) -> int:
    """Return the number of lost frames in the current cycle of the log.

    These are the frames after a damaged one, or all frames if the header is damaged. Their content was committed and is
    lost. The result is 0 for an intact log, and if a power cut damaged only the last frame.
    """
    return _read(path)[1]


def missing_pages(database: Path, log: Path) -> int:
    """Return the number of pages counted in the database's header that are neither in its file nor in its log.

    Such a file was truncated. SQLite reads the missing pages as zeros if the log is longer. The result is 0 for a
    complete file.
    """
    header = read_without_releasing_locks(database, 100)
    if len(header) < 100 or header[24:28] != header[92:96]:  # the header has no valid page count
        return 0
    size = struct.unpack(">H", header[16:18])[0]
    size = 65536 if size == 1 else size
    (counted,) = struct.unpack(">I", header[28:32])
    there = database.stat().st_size // max(size, 512)
    if counted <= there:
        return 0
    in_log = _read(log)[0]
    return sum(page not in in_log for page in range(there + 1, min(counted, 1 << 24) + 1))


def _read(path: Path) -> tuple[frozenset[int], int]:
    """Return the pages of the intact frames, and the number of frames lost after a damaged one."""
    try:
        if not _HEADER < path.stat().st_size <= _MOST_BYTES:
            return frozenset(), 0
        data = path.read_bytes()
    except OSError:
        return frozenset(), 0
    magic, _, page_size, _, salt1, salt2, sum1, sum2 = struct.unpack(">8I", data[:_HEADER])
    order = {_BIG_ENDIAN: ">", _LITTLE_ENDIAN: "<"}.get(magic)
    if order is None or page_size not in {1 << n for n in range(9, 17)}:
        return frozenset(), (len(data) - _HEADER) // (_FRAME_HEADER + 4096)
    size = _FRAME_HEADER + int(page_size)
    frames = (len(data) - _HEADER) // size
    sums = _sums(data[:24], (0, 0), order)
    if sums != (sum1, sum2):
        return frozenset(), frames
    pages = set()
    for index in range(frames):
        at = _HEADER + index * size
        frame = data[at : at + size]
        page, _, own1, own2, sum1, sum2 = struct.unpack(">6I", frame[:_FRAME_HEADER])
        if (own1, own2) == (salt1, salt2):
            sums = _sums(frame[:8], sums, order)
            sums = _sums(frame[_FRAME_HEADER:], sums, order)
            if sums == (sum1, sum2):
                pages.add(page)
                continue
        behind = sum(_has_salts(data, at + n * size, salt1, salt2) for n in range(1, frames - index))
        return frozenset(pages), behind
    return frozenset(pages), 0


def _has_salts(data: bytes, at: int, salt1: int, salt2: int) -> bool:
    return data[at + 8 : at + 16] == struct.pack(">2I", salt1, salt2)


def _sums(data: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    s0, s1 = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for first, second in zip(words[::2], words[1::2], strict=True):
        s0 = (s0 + first + s1) & 0xFFFFFFFF
        s1 = (s1 + second + s0) & 0xFFFFFFFF
    return s0, s1
