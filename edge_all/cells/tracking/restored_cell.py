"""Type of a cell that was counted before a restart."""

from __future__ import annotations

from dataclasses import dataclass

from edge_all.domain.types import Cell


@dataclass(frozen=True)
class RestoredCell:
    """A cell with its best view so far."""

    cell: Cell
    whole: bool
    """True if the frame's edge did not cut the cell."""
