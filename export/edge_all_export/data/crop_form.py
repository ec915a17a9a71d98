"""Size and resolution of a classifier's crops."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CropForm:
    """Form of a crop. side: of the network's input, in pixels of um_per_px.

    stored_side: side of the wider crops that training stores, to allow rotation and shift. disc: the surroundings of
    the cell fade to background.
    """

    um_per_px: float
    side: int
    stored_side: int
    disc: bool = True


COARSE = CropForm(0.252, 80, 108)
"""Form for cells in fields; finer detail does not survive in every camera and focus."""
FINE = CropForm(0.126, 160, 216)
"""Form for cells cut out of their surroundings, from one bench, where chromatin is visible.

It is as wide as COARSE; each of COARSE's pixels is four of these."""
