"""How small a picture may be."""

from __future__ import annotations

from edge_all.vocabulary import Image

SMALLEST_SIDE = 16


def too_small(image: Image) -> str | None:
    """Why a picture cannot hold a cell; None where it can."""
    height, width = image.shape[:2]
    if min(height, width) >= SMALLEST_SIDE:
        return None
    return f"is {width}x{height} pixels, under {SMALLEST_SIDE} on a side; it cannot hold a cell"
