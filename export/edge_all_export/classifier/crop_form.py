"""How large and how fine the crops are that a classifier looks at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CropForm:
    """side: of the network's input, in pixels of um_per_px. stored_side: training keeps crops wider, for rotation and
    shift."""

    um_per_px: float
    side: int
    stored_side: int


COARSE = CropForm(0.252, 80, 108)
"""Cells in fields: nothing finer survives in every camera and focus."""
FINE = CropForm(0.126, 160, 216)
"""Cells cut out of their surroundings, whose set was taken by one bench: chromatin shows. As wide as COARSE, every
pixel of which is four of these."""
