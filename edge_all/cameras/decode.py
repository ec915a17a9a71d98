"""Decoding of image files to RGB uint8, with a one-line reason on failure."""

from __future__ import annotations

import stat
import struct
from pathlib import Path

import cv2
import numpy as np

from edge_all.cameras.min_size import too_small
from edge_all.domain.image import Image

LARGEST_PIXELS = 100_000_000


class UndecodableError(Exception):
    """Image that cannot be decoded. The message is one line with the problem and the remedy."""


def decode_image_file(path: Path) -> Image:
    """Decode an image file to RGB, uint8, H x W x 3.

    Pixels are returned as stored, without applying an EXIF orientation, so that positions match the file. 16-bit
    values are reduced to 8 bits, gray becomes RGB, transparent becomes white, and only the first page is read.

    Raises:
        UndecodableError: when the file cannot be read or decoded.
    """
    try:
        # Reading a pipe or a device could block forever.
        if not stat.S_ISREG(path.stat().st_mode):
            raise UndecodableError("is not a regular file; put the image itself there")
        data = path.read_bytes()
    except OSError as error:
        raise UndecodableError(
            f"cannot be read ({error.strerror or error}); check the file and its permissions"
        ) from error
    if not data:
        raise UndecodableError("is empty; copy it again")
    kind = _kind(data)
    if kind is None:
        raise UndecodableError("is not a JPEG, PNG, TIFF, BMP or WebP image; save it as one of these")
    size = _size(data, kind)
    if size is not None and size[0] * size[1] > LARGEST_PIXELS:
        raise UndecodableError(
            f"is {size[0]}x{size[1]} pixels, over the limit of {LARGEST_PIXELS // 1_000_000} megapixels; "
            "split it into fields"
        )
    if kind == "jpeg" and not _jpeg_is_whole(data):
        raise UndecodableError("is truncated; copy it again")
    image = _decoded(data, kind)
    if reason := too_small(image):
        raise UndecodableError(reason)
    return image


def _decoded(data: bytes, kind: str) -> Image:
    buffer = np.frombuffer(data, np.uint8)
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    if kind in ("png", "tiff", "webp"):
        flags = cv2.IMREAD_UNCHANGED
    try:
        raw = cv2.imdecode(buffer, flags)
    except (cv2.error, MemoryError) as error:
        raise UndecodableError("cannot be decoded; save it again as PNG or JPEG") from error
    if raw is None or raw.size == 0:
        raise UndecodableError("is damaged or truncated; copy it again")
    pixels = np.asarray(raw)
    if pixels.dtype == np.uint16:
        # A 12-bit camera fills only the low part of 16 bits; scale by the number of bits used.
        bits = max(8, int(pixels.max()).bit_length())
        pixels = np.right_shift(pixels.astype(np.uint16), bits - 8).astype(np.uint8)
    elif pixels.dtype != np.uint8:
        raise UndecodableError(f"has {pixels.dtype} pixels; save it with 8 or 16 bits")
    if pixels.ndim == 2:
        return np.ascontiguousarray(np.repeat(pixels[..., None], 3, axis=2), np.uint8)
    if pixels.shape[2] == 4:
        alpha = pixels[..., 3:].astype(np.uint16)
        mixed = (pixels[..., 2::-1] * alpha + 255 * (255 - alpha) + 127) // 255
        return np.ascontiguousarray(mixed.astype(np.uint8))
    if pixels.shape[2] == 3:
        return np.asarray(cv2.cvtColor(np.asarray(pixels, np.uint8), cv2.COLOR_BGR2RGB), np.uint8)
    raise UndecodableError(f"has {pixels.shape[2]} channels; save it as RGB")


def _kind(data: bytes) -> str | None:
    if data[:3] == b"\xff\xd8\xff":
        return "jpeg"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "png"
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "tiff"
    if data[:2] == b"BM":
        return "bmp"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return None


def _size(data: bytes, kind: str) -> tuple[int, int] | None:
    """Return width and height from the header alone, or None if they are not stated plainly."""
    try:
        if kind == "png":
            return struct.unpack(">II", data[16:24])
        if kind == "bmp":
            width, height = struct.unpack("<ii", data[18:26])
            return abs(width), abs(height)
        if kind == "jpeg":
            return _jpeg_size(data)
        if kind == "tiff":
            return _tiff_size(data)
    except (struct.error, IndexError):
        raise UndecodableError("is damaged or truncated; copy it again") from None
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 < len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF or 0xD0 <= marker <= 0xD8:
            at += 1 if marker == 0xFF else 2
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    return None


def _tiff_size(data: bytes) -> tuple[int, int] | None:
    order = "<" if data[:2] == b"II" else ">"
    if data[2:4] in (b"+\0", b"\0+"):
        return None
    (at,) = struct.unpack(order + "I", data[4:8])
    (count,) = struct.unpack(order + "H", data[at : at + 2])
    found: dict[int, int] = {}
    for i in range(min(count, 200)):
        entry = data[at + 2 + 12 * i : at + 14 + 12 * i]
        tag, kind = struct.unpack(order + "HH", entry[:4])
        if tag in (256, 257):
            found[tag] = struct.unpack(order + ("H" if kind == 3 else "I"), entry[8 : 10 if kind == 3 else 12])[0]
    return (found[256], found[257]) if len(found) == 2 else None


def _jpeg_is_whole(data: bytes) -> bool:
    """Return True if a JPEG has its end marker; libjpeg silently fills the rest of a truncated file with gray.

    Some cameras append bytes after the marker, so search for it in all data after the start of the last scan.
    """
    scan = data.rfind(b"\xff\xda")
    return scan >= 0 and data.rfind(b"\xff\xd9") > scan
