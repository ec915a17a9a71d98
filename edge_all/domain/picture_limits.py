"""Limits of resolution and sharpness outside which cells are not labeled, and the record of fields outside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

TOO_COARSE = "too coarse"
"""Reason of cells without a label because the pixels are too large to distinguish cells."""
TOO_BLURRED = "too blurred"
"""Reason of cells without a label because the field is not sharp enough to distinguish cells."""
TOO_COARSE_TO_FIND = "too coarse to find cells"
"""Warning of a field whose pixels are so large that cells are missed, or found where there are none."""
NOT_LABELED = (TOO_COARSE, TOO_BLURRED)
_SHARPEST_PX = 0.2
"""Sharpness times um per pixel that pixels allow: coarse pixels blur the edges that sharpness is measured on, but less
than the cell inside them."""


@dataclass(frozen=True)
class OutsideLimits:
    """Fields outside one limit.

    Attributes:
        reason: TOO_COARSE, TOO_BLURRED or TOO_COARSE_TO_FIND.
        measured: The worst value of these fields: um per pixel, or sharpness.
        limit: The limit, in the same unit.
        cells: Number of cells without a label for this reason.
    """

    reason: str
    measured: float
    limit: float
    cells: int = 0

    def joined(self, other: OutsideLimits) -> OutsideLimits:
        """Return the value and limit of the field that is farthest outside. The number of cells is this one's."""
        worst = max(self, other, key=OutsideLimits._excess)
        return replace(self, measured=worst.measured, limit=worst.limit)

    def _excess(self) -> float:
        """Return how far outside the limit it is, as a ratio; sharpness is outside below its limit."""
        ratio = self.measured / self.limit
        return -ratio if self.reason == TOO_BLURRED else ratio

    def to_values(self) -> dict[str, Any]:
        """Return the values as stored in records and messages."""
        return asdict(self)

    @classmethod
    def of_values(cls, values: Mapping[str, Any]) -> OutsideLimits:
        """Return the entry that was stored with ``to_values``."""
        return cls(str(values["reason"]), float(values["measured"]), float(values["limit"]), int(values["cells"]))


@dataclass(frozen=True)
class PictureLimits:
    """Limits of the two networks in use; None where a network has no limit."""

    cells_um_per_px: float | None = None
    """Coarsest scale at which cells are labeled."""
    cells_sharpness: float | None = None
    """Least sharpness, as the gate measures it, at which cells are labeled."""
    finder_um_per_px: float | None = None
    """Coarsest scale at which cells are found."""

    def outside(self, um_per_px: float, sharpness: float) -> Iterator[OutsideLimits]:
        """Yield what is outside the limits in a field of this scale and sharpness; the reason of its cells first."""
        if self.cells_um_per_px is not None and um_per_px > self.cells_um_per_px:
            yield OutsideLimits(TOO_COARSE, um_per_px, self.cells_um_per_px)
        if self.cells_sharpness is not None:
            least = min(self.cells_sharpness, _SHARPEST_PX / um_per_px)
            if sharpness < least:
                yield OutsideLimits(TOO_BLURRED, sharpness, least)
        if self.finder_um_per_px is not None and um_per_px > self.finder_um_per_px:
            yield OutsideLimits(TOO_COARSE_TO_FIND, um_per_px, self.finder_um_per_px)
