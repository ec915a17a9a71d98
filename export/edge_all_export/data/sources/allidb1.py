"""ALL-IDB1 fields in the layout of the project's data folder, plus this project's own annotations.

The dataset labels blasts and some normal cells. Smudges, other leukocytes of the ALL series and clearly mature cells
among them were marked by eye for this project (annotations/allidb1_objects.csv). These are not expert labels; they are
used for training, never for scoring.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np

from edge_all.field.scale import measure_um_per_px
from edge_all_export.data.labeled_field import LabeledField, LabeledObject, read_rgb, rows

SERIES = ("A", "B", "C", "D", "E", "G")
HEALTHY = ("C", "E", "G")
ANNOTATIONS = Path(__file__).parents[2] / "annotations" / "allidb1_objects.csv"

_BLAST_RADIUS = 1.06
"""Radius of the ALL-IDB2 masks divided by that of the stained area, median of 91 blasts."""
_SAME_CELL_PX = 40.0


def load(root: Path) -> list[LabeledField]:
    """Load all 65 fields; group = acquisition series."""
    return load_folder(root / "allidb1")


def load_folder(folder: Path, measure: bool = True) -> list[LabeledField]:
    """Load from the dataset's own folder; without ``measure``, um_per_px is 0."""
    fields = {r["file"]: r for r in rows(folder / "fields.csv")}
    cells, crops, ours = defaultdict(list), defaultdict(list), defaultdict(list)
    for r in rows(folder / "cells.csv"):
        cells[r["file"]].append((r["kind"], float(r["x_px"]), float(r["y_px"]), float(r["stained_area_px"])))
    crops_table = folder / "allidb2_crops.csv"
    for r in rows(crops_table) if crops_table.is_file() else ():
        crops[r["file"]].append((r["is_blast"] == "1", float(r["x_px"]), float(r["y_px"]), r["allidb2_name"]))
    for r in rows(ANNOTATIONS):
        ours[r["file"]].append((r["kind"], float(r["x_px"]), float(r["y_px"]), float(r["area_px"])))
    scales = _scales(folder, fields) if measure else dict.fromkeys(fields, 0.0)
    loaded = []
    for name in sorted(fields):
        objects: list[LabeledObject] = []

        def known(x: float, y: float, among: list[LabeledObject] = objects, near: float = _SAME_CELL_PX) -> bool:
            return any(np.hypot(x - o.x_px, y - o.y_px) < near for o in among)

        for is_blast, x, y, crop in crops[name]:
            if not is_blast:
                radius = _mask_radius(folder / "allidb2_masks", crop) or 65.0
                objects.append(LabeledObject(x, y, radius, "normal", crop))
        for kind, x, y, area in cells[name]:
            if kind == "blast":
                objects.append(LabeledObject(x, y, _BLAST_RADIUS * float(np.sqrt(area / np.pi)), "blast"))
        for kind, x, y, area in ours[name]:
            if not known(x, y):
                objects.append(LabeledObject(x, y, 1.1 * float(np.sqrt(area / np.pi)), kind, "ours"))
        for kind, x, y, area in cells[name]:
            if kind == "other" and not known(x, y):
                objects.append(LabeledObject(x, y, max(8.0, float(np.sqrt(area / np.pi))), "platelet"))
        loaded.append(
            LabeledField("allidb1", fields[name]["series"], folder / "images" / name, scales[name], tuple(objects))
        )
    return loaded


def _scales(folder: Path, fields: dict[str, dict[str, str]]) -> dict[str, float]:
    """Return um per pixel of each field: the median over fields of its series at the same magnification."""
    measured = {}
    for name in fields:
        measurement = measure_um_per_px(read_rgb(folder / "images" / name))
        assert measurement is not None, name
        measured[name] = measurement.um_per_px
    result = {}
    for name, row in fields.items():
        peers = [
            measured[other]
            for other, r in fields.items()
            if r["series"] == row["series"] and abs(np.log(measured[other] / measured[name])) < 0.3
        ]
        result[name] = float(np.median(peers))
    return result


def _mask_radius(folder: Path, crop: str) -> float | None:
    path = folder / (Path(crop).stem + ".png")
    mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    return None if mask is None else float(np.sqrt((mask > 60).sum() / np.pi))
