"""Cells of 82 patients with acute myeloid or promyelocytic leukemia from one scanner (Sidhom et al. 2021).

Published without a license grant. Labels come from a laboratory's routine: blasts and neutrophils are reliable,
eosinophils, basophils, platelets and artifacts are noisy.
"""

from __future__ import annotations

from pathlib import Path

from edge_all_export.data.labeled_field import LabeledField, rows
from edge_all_export.data.sources.single_cells import centered_cell

_SIDE_PX = (256, 256)


def load(root: Path) -> list[LabeledField]:
    """Return all 4,798 pictures. The group is the patient; the detail is the laboratory's label and the disease."""
    return [
        centered_cell(
            "deepapl",
            r["patient"],
            root / "deepapl" / "images" / r["file"],
            float(r["um_per_px"]),
            _SIDE_PX,
            r["kind"],
            f"{r['detail']}|{r['disease']}",
        )
        for r in rows(root / "deepapl" / "cells.csv")
    ]
