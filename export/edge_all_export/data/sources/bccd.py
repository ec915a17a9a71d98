"""BCCD fields with boxes of leukocytes: healthy blood, 640x480.

The dataset is one source without ids, so it is never split.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from edge_all_export.data.labeled_field import LabeledField, LabeledObject, has_boxes, rows, typical_um_per_px


def load(root: Path) -> list[LabeledField]:
    """Load all 364 fields; group "bccd"."""
    return load_folder(root / "bccd")


def is_folder(root: Path) -> bool:
    """Return whether root has boxes.csv, in pixels, next to images/."""
    return (root / "images").is_dir() and has_boxes(root, fractions=False)


def load_folder(folder: Path, measure: bool = True) -> list[LabeledField]:
    """Load from the dataset's own folder; without ``measure``, um_per_px is 0."""
    boxes = defaultdict(list)
    for r in rows(folder / "boxes.csv"):
        if r["label"] == "WBC":
            x0, y0, x1, y1 = (float(r[k]) for k in ("xmin", "ymin", "xmax", "ymax"))
            boxes[r["file"]].append(
                LabeledObject((x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, y1 - y0) / 2, "normal", "box")
            )
    paths = sorted((folder / "images").iterdir())
    scale = typical_um_per_px(paths) if measure else 0.0
    return [LabeledField("bccd", "bccd", p, scale, tuple(boxes[p.name])) for p in paths]
