"""PNG encoder for photographs that takes half the time of the usual encoder."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_all.domain.image import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_AVERAGE = 3
_RGB = 2


@dataclass(frozen=True)
class PackedPixels:
    """Filtered and compressed pixels of an RGB uint8 image, H x W x 3: the slow part of encoding a PNG."""

    width_px: int
    height_px: int
    body: bytes


def pack_pixels(image: Image) -> PackedPixels:
    """Filter and compress an RGB uint8 image, H x W x 3."""
    from zlib_ng import zlib_ng

    height, width = image.shape[:2]
    # A photograph has no repetitions; searching for them takes three times as long and makes the file larger.
    packer = zlib_ng.compressobj(1, zlib_ng.DEFLATED, 15, 9, zlib_ng.Z_HUFFMAN_ONLY)
    return PackedPixels(width, height, packer.compress(_differences(image).data) + packer.flush())


def encode_png(image: Image | PackedPixels, *extra: bytes) -> bytes:
    """Encode an RGB uint8 image, H x W x 3, or its packed pixels, as PNG.

    extra: Chunks (see ``chunk``) to insert before the pixels.
    """
    packed = image if isinstance(image, PackedPixels) else pack_pixels(image)
    header = struct.pack(">IIBBBBB", packed.width_px, packed.height_px, 8, _RGB, 0, 0, 0)
    return b"".join((SIGNATURE, chunk(b"IHDR", header), *extra, chunk(b"IDAT", packed.body), chunk(b"IEND", b"")))


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk: length, type, body and checksum (PNG specification, 5.3)."""
    return b"".join((struct.pack(">I", len(body)), kind, body, struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))))


def _differences(image: Image) -> npt.NDArray[np.uint8]:
    """Subtract from each byte the average of its left and upper neighbors, and prefix rows with the filter type.

    See the PNG specification, 9.2.
    """
    height, width = image.shape[:2]
    framed = np.zeros((height + 1, width * 3 + 3), np.uint8)
    here, left, above = framed[1:, 3:], framed[1:, :-3], framed[:-1, 3:]
    here[:] = image.reshape(height, width * 3)
    rows = np.empty((height, width * 3 + 1), np.uint8)
    rows[:, 0] = _AVERAGE
    # Average of two bytes without overflow: the common bits plus half of the differing bits.
    average = (left ^ above) >> np.uint8(1)
    average += left & above
    np.subtract(here, average, out=rows[:, 1:])
    return rows
