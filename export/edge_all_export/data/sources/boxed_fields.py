"""Fields with boxes of leukocytes, erythrocytes and platelets in boxes.csv, for the classifier of kinds."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from edge_all_export.data.labeled_field import LabeledField, LabeledObject, read_rgb, rows, typical_um_per_px

_KINDS = {"WBC": "leukocyte", "RBC": "erythrocyte", "Platelet": "platelet", "Platelets": "platelet"}


def load_boxed_fields(root: Path, source: str, *, fractions: bool = False) -> list[LabeledField]:
    """Return every field of a source with all its boxes; the group is the batch, or the source if it has none.

    fractions: The boxes are given as fractions of the sides, not in pixels.
    """
    folder = root / source
    boxes: dict[str, list[tuple[str, float, float, float, float]]] = defaultdict(list)
    batches = {}
    for r in rows(folder / "boxes.csv"):
        box = float(r["xmin"]), float(r["ymin"]), float(r["xmax"]), float(r["ymax"])
        boxes[r["file"]].append((r["label"], *box))
        batches[r["file"]] = r.get("batch") or source
    paths = sorted((folder / "images").iterdir())
    scale = typical_um_per_px(paths)
    fields = []
    for path in paths:
        height, width = read_rgb(path).shape[:2] if fractions else (1, 1)
        objects = tuple(
            LabeledObject(
                (x0 + x1) / 2 * width,
                (y0 + y1) / 2 * height,
                max((x1 - x0) * width, (y1 - y0) * height) / 2,
                _KINDS.get(label, "ignore"),
                "box",
            )
            for label, x0, y0, x1, y1 in boxes[path.name]
        )
        fields.append(LabeledField(source, batches.get(path.name, source), path, scale, objects))
    return fields
