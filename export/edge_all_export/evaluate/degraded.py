"""Labeled fields as a coarser or a blurred camera shows them, and their cells as the device finds and cuts them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from edge_all.cells.crops import Cropper
from edge_all.domain.image import Image
from edge_all.domain.types import Detection, Field, Frame, Quality
from edge_all.field.detector import LeukocyteDetector
from edge_all.field.illumination import estimate_illumination
from edge_all.field.overview import overview
from edge_all.field.sharpness import measure_edge_blur
from edge_all.inference.contract import Contract
from edge_all_export.data.labeled_field import LabeledField, LabeledObject

_NEAR = 0.6
"""A detection nearer to a label than this share of its radius is the same cell."""
_LEAST_RADIUS_UM = 3.5


@dataclass(frozen=True)
class Degrading:
    """How a field is shown: pixels of um_per_px (0: as taken), after a Gaussian blur of this standard deviation."""

    um_per_px: float = 0.0
    blur_um: float = 0.0


@dataclass(frozen=True, eq=False)
class SeenCell:
    """A labeled cell of a degraded field. crop: RGB uint8 as the device cuts it."""

    source: str
    group: str
    kind: str
    detail: str
    found: bool
    sharpness: float
    """The gate's measure of its field."""
    crop: Image


@dataclass(frozen=True)
class SeenField:
    """The cells of a degraded field, and its number of detections without a label."""

    cells: tuple[SeenCell, ...]
    extra: int


def degraded(field: LabeledField, image: Image, how: Degrading) -> tuple[LabeledField, Image]:
    """Return a field and its picture in coarser pixels. Each pixel is the mean of the area that it covers."""
    if how.blur_um:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), how.blur_um / field.um_per_px))
    if how.um_per_px <= field.um_per_px:
        return field, image
    factor = field.um_per_px / how.um_per_px
    height, width = image.shape[:2]
    size = max(16, round(width * factor)), max(16, round(height * factor))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    x, y = size[0] / width, size[1] / height
    objects = tuple(
        replace(o, x_px=(o.x_px + 0.5) * x - 0.5, y_px=(o.y_px + 0.5) * y - 0.5, radius_px=o.radius_px * x)
        for o in field.objects
    )
    return replace(field, um_per_px=field.um_per_px / x, objects=objects), small


def seen(
    field: LabeledField,
    image: Image,
    finder: LeukocyteDetector,
    contract: Contract,
    wanted: Callable[[str, LabeledObject], bool],
) -> SeenField:
    """Pass a field through the device's steps up to the crops. wanted: Selects cells by source and label.

    A cell that the detector misses is cut at its label, so that the classifier is measured on the same cells at every
    scale.
    """
    small, small_um = overview(image, field.um_per_px)
    light = estimate_illumination(small)
    blur = measure_edge_blur(np.ascontiguousarray(small[..., 1]), small_um)
    frame = Frame(image, 0, 0.0, field.file)
    shown = Field(frame, field.um_per_px, "profile", Quality(blur.sharpness, 0.0, 0.0), (0.0, 0.0), 0, light)
    detections = list(finder.find(shown))
    cropper = Cropper(contract)
    cells, used = [], set()
    for o in field.objects:
        nearest = _nearest(detections, o, field.um_per_px)
        used |= {nearest} - {None}
        if wanted(field.source, o):
            at = Detection(o.x_px, o.y_px, o.radius_px, 0.0) if nearest is None else detections[nearest]
            crop = cropper.crop(shown, at)
            cells.append(
                SeenCell(field.source, field.group, o.kind, o.detail, nearest is not None, blur.sharpness, crop)
            )
    return SeenField(tuple(cells), len(detections) - len(used))


def _nearest(detections: Sequence[Detection], o: LabeledObject, um_per_px: float) -> int | None:
    reach = _NEAR * max(o.radius_px, _LEAST_RADIUS_UM / um_per_px)
    away = [float(np.hypot(d.x_px - o.x_px, d.y_px - o.y_px)) for d in detections]
    near = [i for i, d in enumerate(away) if d < reach]
    return min(near, key=away.__getitem__) if near else None


def chosen_fields(fields: Sequence[LabeledField], most: int, seed: int = 0) -> Iterator[LabeledField]:
    """Yield at most this many fields of each kind of single cells, and of each group of fields with many."""
    rng = np.random.Generator(np.random.PCG64(seed))
    counts: dict[str, int] = {}
    for i in rng.permutation(len(fields)):
        field = fields[i]
        key = field.objects[0].kind if len(field.objects) == 1 else field.group
        counts[key] = counts.get(key, 0) + 1
        if counts[key] <= most:
            yield field
