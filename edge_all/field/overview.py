"""Reduction of a frame to a small overview of the whole field."""

from __future__ import annotations

from edge_all.domain.image import Image
from edge_all.field.downsample import shrunk

OVERVIEW_UM_PER_PX = 0.2


def overview(image: Image, um_per_px: float) -> tuple[Image, float]:
    """Return an RGB uint8 frame reduced to about 0.2 um per px, never enlarged, and its scale in um per px."""
    factor = max(1, round(OVERVIEW_UM_PER_PX / um_per_px))
    return shrunk(image, factor), um_per_px * factor
