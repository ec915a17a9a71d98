"""Single cells for the classifier, from all datasets, in one form: even light, fixed scale, known radius."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.cells.crops import cut_cell, even_light
from edge_all.domain.illumination import BACKGROUND_LEVEL
from edge_all.field.illumination import estimate_illumination
from edge_all_export.data.classes import SMUDGE
from edge_all_export.data.crop_form import COARSE, CropForm
from edge_all_export.data.dataset import CellFile
from edge_all_export.data.labeled_field import LabeledField, read_rgb

CNMC_UM_PER_PX = 0.057
"""Scale at which C-NMC's lymphoblasts are as wide (12.2 um) as those of ALL-IDB1; the dataset gives none."""
CNMC_GAIN = (1.45, 1.25, 2.2)
"""Gain of R, G and B that matches the hue of C-NMC's dark, reddish nuclei to that of the other datasets."""

OUTLIERS = ("platelet", "clump", "erythroblast", SMUDGE, "debris", "background")
_ON_BLACK = 20


@dataclass(frozen=True, eq=False)
class TrainingCell:
    """A cell for training. kind: blast, normal, immature_granulocyte, leukocyte (kind unknown), or one of OUTLIERS.

    crop: RGB uint8 square of form.stored_side, with the illumination removed. radius: of the cell, in pixels of the
    crop. segmented: cut out of its surroundings by the dataset's authors.
    """

    source: str
    group: str
    name: str
    kind: str
    detail: str
    crop: npt.NDArray[np.uint8]
    radius: float
    segmented: bool = False
    form: CropForm = COARSE


def cells_of_field(
    field: LabeledField, background: int = 0, seed: int = 0, form: CropForm = COARSE
) -> Iterator[TrainingCell]:
    """Yield each labeled object of a field, and up to ``background`` random positions without an object."""
    image = field.read()
    illumination = estimate_illumination(image)
    height, width = image.shape[:2]

    def cell(x: float, y: float, radius_px: float, kind: str, detail: str) -> TrainingCell:
        crop = cut_cell(image, x, y, field.um_per_px, form.stored_side, form.um_per_px, not form.disc)
        gain = illumination.gain_at(x / width, y / height)
        crop = even_light(crop, gain)
        name = f"{field.file}@{round(x)},{round(y)}"
        radius = radius_px * field.um_per_px / form.um_per_px
        return TrainingCell(field.source, field.group, name, kind, detail, crop, radius, form=form)

    for o in field.objects:
        if o.kind != "ignore":
            yield cell(o.x_px, o.y_px, o.radius_px, o.kind, o.detail)
    rng = np.random.Generator(np.random.PCG64([seed, *field.file.encode()]))
    for _ in range(background):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        radius = rng.uniform(4, 7) / field.um_per_px
        if all(np.hypot(x - o.x_px, y - o.y_px) > 1.2 * (o.radius_px + radius) for o in field.objects):
            yield cell(x, y, float(radius), "background", "")


def segmented_cell(
    cell: CellFile, um_per_px: float, gain: tuple[float, float, float], form: CropForm = COARSE
) -> TrainingCell | None:
    """Return a cell on black, placed on background level; None if the picture contains no cell.

    gain: of R, G and B, because without background the light cannot be measured.
    """
    image = read_rgb(cell.path)
    mask = _biggest((image.max(2) > _ON_BLACK).astype(np.uint8))
    if mask is None:
        return None
    x, y, width, height = cv2.boundingRect(mask)
    around = 16  # pixels, for the blurs
    window = np.s_[max(0, y - around) : y + height + around, max(0, x - around) : x + width + around]
    image, mask = image[window], mask[window]
    radius_px = float(np.sqrt(mask.sum() / np.pi))
    # The cut leaves a dark rim of half-covered pixels.
    inner = cv2.erode(mask, np.ones((5, 5), np.uint8))
    soft = cv2.GaussianBlur(inner.astype(np.float32), (0, 0), 1.5)[..., None]
    image = even_light(image, np.array(gain, np.float32))
    filled = np.where(inner[..., None] > 0, image, int(BACKGROUND_LEVEL))
    image = (filled * soft + BACKGROUND_LEVEL * (1 - soft)).astype(np.uint8)
    cx, cy = min(x, around) + (width - 1) / 2, min(y, around) + (height - 1) / 2
    crop = cut_cell(image, cx, cy, um_per_px, form.stored_side, form.um_per_px)
    crop = np.minimum(crop, np.uint8(BACKGROUND_LEVEL))  # beyond the window, pixels are white
    return _training_cell(cell, crop, radius_px * um_per_px / form.um_per_px, form, segmented=True)


def photographed_cell(cell: CellFile, um_per_px: float, form: CropForm = COARSE) -> TrainingCell | None:
    """Return a cell in the middle of its own picture, with its surroundings; None if nothing dark is there."""
    image = read_rgb(cell.path)
    height, width = image.shape[:2]
    illumination = estimate_illumination(image)
    evened = even_light(image, illumination.gain_at(0.5, 0.5))
    middle = ((width - 1) / 2, (height - 1) / 2)
    mask = _nearest((evened.min(2) < _NUCLEUS_LEVEL).astype(np.uint8), middle, 1.5 / um_per_px)
    if mask is None:
        return None
    y, x = np.nonzero(mask)
    radius_px = _CELL_OVER_NUCLEUS * float(np.sqrt(mask.sum() / np.pi))
    cx, cy = (x.min() + x.max()) / 2, (y.min() + y.max()) / 2
    crop = cut_cell(evened, float(cx), float(cy), um_per_px, form.stored_side, form.um_per_px, not form.disc)
    return _training_cell(cell, crop, radius_px * um_per_px / form.um_per_px, form)


_NUCLEUS_LEVEL = 150
"""Level of the darkest channel, under even light: nuclei and dark cytoplasm are below it, erythrocytes above."""
_CELL_OVER_NUCLEUS = 1.15


def _training_cell(
    cell: CellFile, crop: npt.NDArray[np.uint8], radius: float, form: CropForm, segmented: bool = False
) -> TrainingCell:
    return TrainingCell(cell.source, cell.group, cell.path.name, cell.label, cell.detail, crop, radius, segmented, form)


def _biggest(mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8] | None:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    if count < 2:
        return None
    return np.asarray(labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()), np.uint8)


def _nearest(
    mask: npt.NDArray[np.uint8], place: tuple[float, float], least_radius: float
) -> npt.NDArray[np.uint8] | None:
    """Return the component closest to a position, among those of sufficient size."""
    mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    big = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] > np.pi * least_radius**2]
    if not big:
        return None
    y, x = np.nonzero(np.isin(labels, big))
    i = int(np.argmin((x - place[0]) ** 2 + (y - place[1]) ** 2))
    return np.asarray(labels == labels[y[i], x[i]], np.uint8)


def is_on_black(image: npt.NDArray[np.uint8]) -> bool:
    """Return whether the picture's border is cut away."""
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    return bool((border.max(1) <= _ON_BLACK).mean() > 0.7)
