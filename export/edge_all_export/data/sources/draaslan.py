"""Small fields with boxes of leukocytes from one source without ids, so the dataset is never split."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from edge_all_export.data.labeled_field import (
    LabeledField,
    LabeledObject,
    has_boxes,
    read_rgb,
    rows,
    typical_um_per_px,
)


def load(root: Path) -> list[LabeledField]:
    """Load all 100 fields; group "draaslan"."""
    return load_folder(root / "draaslan")


def is_folder(root: Path) -> bool:
    """Return whether root has boxes.csv, in fractions of the side, next to images/."""
    return (root / "images").is_dir() and has_boxes(root, fractions=True)


def load_folder(folder: Path, measure: bool = True) -> list[LabeledField]:
    """Load from the dataset's own folder; without ``measure``, um_per_px is 0."""
    boxes = defaultdict(list)
    for r in rows(folder / "boxes.csv"):
        if r["label"] == "WBC":
            boxes[r["file"]].append([float(r[k]) for k in ("xmin", "ymin", "xmax", "ymax")])
    paths = sorted((folder / "images").iterdir())
    scale = typical_um_per_px(paths) if measure else 0.0
    fields = []
    for path in paths:
        height, width = read_rgb(path).shape[:2]
        objects = tuple(
            LabeledObject(
                (x0 + x1) / 2 * width,
                (y0 + y1) / 2 * height,
                max((x1 - x0) * width, (y1 - y0) * height) / 2,
                "normal",
                "box",
            )
            for x0, y0, x1, y1 in boxes[path.name]
        )
        fields.append(LabeledField("draaslan", "draaslan", path, scale, objects))
    return fields
