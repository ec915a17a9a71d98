"""Cells with expert masks of nucleus and cytoplasm, as portraits at the position found by the detector."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.cells.crops import PORTRAIT_SIDE, PORTRAIT_UM_PER_PX, cut_cell
from edge_all.domain.image import Image
from edge_all_export.data.labeled_field import LabeledField, rows
from edge_all_export.data.sources import allidb1, bccd

TUNING_SERIES = ("A", "C", "E")
"""Series of ALL-IDB2 for training the segmentation; B, D and G, with other cameras and light, are held out."""
TUNING_BCCD = 206
"""Files under this number are for tuning. BCCD does not identify smears; its files are in acquisition order."""

Found = tuple[float, float, float]
"""x, y, radius in pixels of the field."""


@dataclass(frozen=True, eq=False)
class MaskedCell:
    """A cell with its masks.

    portrait: RGB uint8 192 x 192. cell, nucleus: bool masks of it. radius_px: radius of the detection in the portrait.
    """

    source: str
    group: str
    name: str
    tuning: bool
    portrait: Image
    radius_px: float
    cell: npt.NDArray[np.bool_]
    nucleus: npt.NDArray[np.bool_]


def read_found(table: Path) -> dict[tuple[str, str], list[Found]]:
    """Read out-of-fold detections by (source, file), from networks that have not seen the series or the source."""
    found: dict[tuple[str, str], list[Found]] = defaultdict(list)
    with table.open(newline="") as file:
        for r in csv.DictReader(file):
            unseen = r["fold"] == (f"out-{r['group']}" if r["source"] == "allidb1" else f"out-{r['source']}")
            if unseen and r["smudge"] == "0":
                found[r["source"], r["file"]].append((float(r["x_px"]), float(r["y_px"]), float(r["radius_px"])))
    return found


def load(root: Path, detections: Path) -> tuple[list[MaskedCell], int]:
    """Return the cells with masks that the detector found, and how many it missed. root: EDGE_ALL_DATA."""
    found = read_found(detections)
    cells, missed = [], 0
    for one in (*_allidb2(root, found), *_bccd(root, found)):
        if one is None:
            missed += 1
        else:
            cells.append(one)
    return cells, missed


def _allidb2(root: Path, found: Mapping[tuple[str, str], Sequence[Found]]) -> list[MaskedCell | None]:
    fields = {f.file: f for f in allidb1.load(root)}
    cells: list[MaskedCell | None] = []
    for r in rows(root / "allidb1" / "allidb2_crops.csv"):
        field, x, y = fields[r["file"]], float(r["x_px"]), float(r["y_px"])
        name = Path(r["allidb2_name"]).stem
        mask = cv2.imread(str(root / "allidb1" / "allidb2_masks" / f"{name}.png"), cv2.IMREAD_GRAYSCALE)
        near = _nearest(found.get(("allidb1", field.file), ()), x, y, lambda f: 0.6 * f[2] + 15)
        if mask is None or near is None:
            cells.append(None)
            continue
        image = field.read()
        height, width = mask.shape
        # The crop may extend beyond the field's edge.
        whole = np.zeros((image.shape[0] + 2 * height, image.shape[1] + 2 * width), np.uint8)
        top, left = int(y) - height // 2 + height, int(x) - width // 2 + width
        whole[top : top + height, left : left + width] = mask
        inner = whole[height : height + image.shape[0], width : width + image.shape[1]]
        tuning = field.group in TUNING_SERIES
        cells.append(_masked("allidb2", field.group, name, tuning, field, image, inner, near))
    return cells


def _bccd(root: Path, found: Mapping[tuple[str, str], Sequence[Found]]) -> list[MaskedCell | None]:
    cells: list[MaskedCell | None] = []
    for field in bccd.load(root):
        mask = cv2.imread(str(root / "bccd" / "cell_masks" / f"{field.path.stem}.png"), cv2.IMREAD_GRAYSCALE)
        image = field.read()
        for o in field.objects:
            near = _nearest(found.get(("bccd", field.file), ()), o.x_px, o.y_px, _within(o.radius_px))
            if mask is None or near is None:
                cells.append(None)
                continue
            number = int(field.path.stem.rpartition("_")[2])
            tuning, levels = number < TUNING_BCCD, np.asarray(mask, np.uint8)
            cells.append(_masked("bccd", f"{number // 10:02d}x", field.file, tuning, field, image, levels, near))
    return cells


def _within(radius_px: float) -> Callable[[Found], float]:
    return lambda f: 0.6 * max(f[2], radius_px)


def _nearest(found: Sequence[Found], x: float, y: float, reach: Callable[[Found], float]) -> Found | None:
    near = [f for f in found if np.hypot(f[0] - x, f[1] - y) < reach(f)]
    return min(near, key=lambda f: np.hypot(f[0] - x, f[1] - y)) if near else None


def _masked(
    source: str,
    group: str,
    name: str,
    tuning: bool,
    field: LabeledField,
    image: Image,
    mask: npt.NDArray[np.uint8],
    place: Found,
) -> MaskedCell | None:
    x, y, radius = place

    def cut(of: Image) -> Image:
        return cut_cell(of, x, y, field.um_per_px, PORTRAIT_SIDE, PORTRAIT_UM_PER_PX)

    levels = cut(np.repeat(mask[..., None], 3, axis=2))[..., 0].copy()
    levels[cut(np.zeros_like(image))[..., 0] > 0] = 0  # cut_cell returns white beyond the field's edge
    count, labels = cv2.connectedComponents((levels > 60).astype(np.uint8))
    if count < 2:
        return None
    middle = (PORTRAIT_SIDE - 1) / 2
    rows_, columns = np.nonzero(labels)
    nearest = int(((rows_ - middle) ** 2 + (columns - middle) ** 2).argmin())
    cell = labels == labels[rows_[nearest], columns[nearest]]
    radius_px = radius * field.um_per_px / PORTRAIT_UM_PER_PX
    return MaskedCell(source, group, name, tuning, cut(image), radius_px, cell, cell & (levels > 190))
