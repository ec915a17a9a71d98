"""Single cells of healthy volunteers with another stain and camera (LISC, Rezatofighi and Soltanian-Zadeh 2011)."""

from __future__ import annotations

from pathlib import Path

from edge_all_export.data.labeled_field import LabeledField, rows, typical_um_per_px
from edge_all_export.data.sources.single_cells import centered_cell

_SIDE_PX = (224, 224)


def load(root: Path) -> list[LabeledField]:
    """Return all 231 pictures; the scale is measured from their erythrocytes."""
    listed = list(rows(root / "lisc" / "cells.csv"))
    images = root / "lisc" / "images"
    scale = typical_um_per_px(sorted(images / r["file"] for r in listed))
    return [centered_cell("lisc", "lisc", images / r["file"], scale, _SIDE_PX, r["kind"], r["kind"]) for r in listed]
