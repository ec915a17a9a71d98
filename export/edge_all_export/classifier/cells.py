"""Single cells for the classifier, from every set, in one form: even light, fixed scale, known radius."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.cells.crops import cut_cell, even_light
from edge_all.field.illumination import BACKGROUND_LEVEL, estimate_illumination
from edge_all_export.data.cnmc import SegmentedCell
from edge_all_export.data.labelled_field import LabelledField, read_rgb

UM_PER_PX = 0.18
SIDE = 112
STORED_SIDE = 152
"""Crops are kept wider than the input, for rotation and shift."""
CNMC_UM_PER_PX = 0.057
"""So that C-NMC's lymphoblasts are as wide (12.2 um) as those of ALL-IDB1; the set gives no scale."""
CNMC_GAIN = (1.45, 1.25, 2.2)
"""The set's cells are dark and reddish, and without background nothing tells the light: this brings the hue of their
nuclei to that of the other sets."""

OUTLIERS = ("platelet", "clump", "erythroblast", "smudge", "debris", "background")
_ON_BLACK = 20


@dataclass(frozen=True, eq=False)
class TrainingCell:
    """kind: blast, normal, immature_granulocyte, leukocyte (unknown which), or one of OUTLIERS.

    crop: RGB uint8 STORED_SIDE square, light taken out. radius: of the cell, in pixels of the crop.
    """

    source: str
    group: str
    name: str
    kind: str
    detail: str
    crop: npt.NDArray[np.uint8]
    radius: float


def cells_of_field(field: LabelledField, background: int = 0, seed: int = 0) -> Iterator[TrainingCell]:
    """Every labelled object of a field, and ``background`` random places without one."""
    image = field.read()
    illumination = estimate_illumination(image)
    height, width = image.shape[:2]

    def cell(x: float, y: float, radius_px: float, kind: str, detail: str) -> TrainingCell:
        crop = cut_cell(image, x, y, field.um_per_px, STORED_SIDE, UM_PER_PX)
        gain = illumination.gain_at(x / width, y / height)
        crop = even_light(crop, gain)
        name = f"{field.file}@{round(x)},{round(y)}"
        return TrainingCell(
            field.source, field.group, name, kind, detail, crop, radius_px * field.um_per_px / UM_PER_PX
        )

    for o in field.objects:
        if o.kind != "ignore":
            yield cell(o.x_px, o.y_px, o.radius_px, o.kind, o.detail)
    rng = np.random.Generator(np.random.PCG64([seed, *field.file.encode()]))
    for _ in range(background):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        radius = rng.uniform(4, 7) / field.um_per_px
        if all(np.hypot(x - o.x_px, y - o.y_px) > 1.2 * (o.radius_px + radius) for o in field.objects):
            yield cell(x, y, float(radius), "background", "")


def segmented_cell(cell: SegmentedCell) -> TrainingCell | None:
    """A cell on black, put on background level; None when the picture holds no cell."""
    image = read_rgb(cell.path)
    mask = (image.max(2) > _ON_BLACK).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    if count < 2:
        return None
    biggest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    mask = (labels == biggest).astype(np.uint8)
    radius_px = float(np.sqrt(mask.sum() / np.pi))
    # The cut leaves a dark rim of half-covered pixels.
    inner = cv2.erode(mask, np.ones((5, 5), np.uint8))
    soft = cv2.GaussianBlur(inner.astype(np.float32), (0, 0), 1.5)[..., None]
    image = even_light(image, np.array(CNMC_GAIN, np.float32))
    filled = np.where(inner[..., None] > 0, image, int(BACKGROUND_LEVEL))
    image = (filled * soft + BACKGROUND_LEVEL * (1 - soft)).astype(np.uint8)
    y, x = np.nonzero(mask)
    cx, cy = (x.min() + x.max()) / 2, (y.min() + y.max()) / 2
    crop = cut_cell(image, float(cx), float(cy), CNMC_UM_PER_PX, STORED_SIDE, UM_PER_PX)
    outside = crop.min(2) == 255
    crop[outside] = int(BACKGROUND_LEVEL)
    kind = "blast" if cell.is_blast else "normal"
    return TrainingCell(
        "cnmc", cell.group, cell.path.name, kind, cell.subject, crop, radius_px * CNMC_UM_PER_PX / UM_PER_PX
    )


def cells_of(fields: Iterable[LabelledField], background: int = 0) -> list[TrainingCell]:
    """All cells of some fields."""
    return [cell for field in fields for cell in cells_of_field(field, background)]
