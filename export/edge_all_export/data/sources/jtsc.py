"""Single cells of two benches (Zheng et al. 2018): a rapid stain with a yellow light, and a scanner."""

from __future__ import annotations

from pathlib import Path

from edge_all_export.data.labeled_field import LabeledField, rows
from edge_all_export.data.sources.single_cells import centered_cell

_BENCHES = {"tecom": (0.16, (120, 120)), "cellavision": (0.088, (300, 300))}
"""Scale and size of the pictures. They show too few whole erythrocytes to measure the scale. It is chosen so that the
median neutrophil in the source's own masks is 12.3 um wide (tecom) or 14 um, as in the other pictures of that scanner
maker (cellavision)."""


def load(root: Path) -> list[LabeledField]:
    """Return all 400 pictures as the sources ``jtsc_tecom`` and ``jtsc_cellavision``."""
    return [
        centered_cell(
            f"jtsc_{r['source']}",
            r["source"],
            root / "jtsc" / "images" / r["file"],
            *_BENCHES[r["source"]],
            r["kind"],
            r["kind"],
        )
        for r in rows(root / "jtsc" / "cells.csv")
    ]
