"""PBC single cells (Acevedo et al.) with the surrounding field: seven kinds, one source without ids."""

from __future__ import annotations

from pathlib import Path

from edge_all_export.data.labeled_field import (
    LabeledField,
    LabeledObject,
    header,
    read_rgb,
    rows,
    typical_um_per_px,
)

MATURE = ("basophil", "eosinophil", "lymphocyte", "monocyte", "neutrophil")


def load(root: Path) -> list[LabeledField]:
    """Load all 700 images; group "pbc"; detail = the kind."""
    return load_folder(root / "pbc")


def is_folder(root: Path) -> bool:
    """Return whether root has cells.csv, with class and box, next to images/."""
    table = root / "cells.csv"
    return (root / "images").is_dir() and table.is_file() and {"file", "class", "cx", "w"} <= set(header(table))


def load_folder(folder: Path, measure: bool = True) -> list[LabeledField]:
    """Load from the dataset's own folder; without ``measure``, um_per_px is 0."""
    listed = list(rows(folder / "cells.csv"))
    scale = typical_um_per_px([folder / "images" / r["file"] for r in listed]) if measure else 0.0
    fields = []
    for r in listed:
        path = folder / "images" / r["file"]
        height, width = read_rgb(path).shape[:2]
        x, y, w, h = (float(r[k]) for k in ("cx", "cy", "w", "h"))
        kind = "normal" if r["class"] in MATURE else r["class"]
        cell = LabeledObject(x * width, y * height, max(w * width, h * height) / 2, kind, r["class"])
        fields.append(LabeledField("pbc", "pbc", path, scale, (cell,)))
    return fields
