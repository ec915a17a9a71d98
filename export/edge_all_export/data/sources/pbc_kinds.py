"""More normal cells of PBC (Acevedo et al. 2020, CC BY 4.0), with immature granulocytes and erythroblasts.

The pictures are other ones than those in ``pbc``, from the same scanner: leave both out together.
"""

from __future__ import annotations

from pathlib import Path

from edge_all_export.data.labeled_field import LabeledField, rows
from edge_all_export.data.sources.single_cells import centered_cell

_SIDE_PX = (256, 256)


def load(root: Path) -> list[LabeledField]:
    """Return all 2,310 pictures. The source names no patients. The group is the detailed kind, for balance."""
    return [
        centered_cell(
            "pbc_kinds",
            r["detail"],
            root / "pbc_kinds" / "images" / r["file"],
            float(r["um_per_px"]),
            _SIDE_PX,
            r["kind"],
            r["detail"],
        )
        for r in rows(root / "pbc_kinds" / "cells.csv")
    ]
