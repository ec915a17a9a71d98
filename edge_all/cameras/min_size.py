"""Minimum size of an image."""

from __future__ import annotations

from edge_all.domain.image import Image

SMALLEST_SIDE = 16


def too_small(image: Image) -> str | None:
    """Return the reason why an image is too small to show a cell, or None if it is large enough."""
    height, width = image.shape[:2]
    if min(height, width) >= SMALLEST_SIDE:
        return None
    return f"is {width}x{height} pixels, under {SMALLEST_SIDE} on a side; it is too small to show a cell"
