"""Crops of every labeled cell for the classifier of kinds, cut as the device cuts them.

How a cell is cut decides how well the network works on a bench it has not seen: centers come from the detector and
the scale is measured from erythrocytes, as on the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.cells.crops import even_light
from edge_all.field.illumination import estimate_illumination
from edge_all_export.data.kinds import possible_kinds
from edge_all_export.data.labeled_field import LabeledField, LabeledObject

SIDE = 224
"""Pixels of a stored crop; wider than the network's input, for rotation, shift and zoom."""
UM_PER_PX = 0.12

_NEAR = 0.6
"""A peak nearer to a label than this share of its radius is the same cell."""
_LEAST_RADIUS_UM = 3.5
_CENTER_SCORE = 0.1
"""From this score on, the detector's center replaces the label's."""
_CLEAR_SCORE = 0.25
_EDGE_UM = 4.0
_INSIDE_UM = 3.0
_CLEARANCE_UM = 2.5

Pixels = npt.NDArray[np.uint8]
Peak = tuple[float, float, float, float]
"""x, y, radius in pixels of the field, score."""
FindPeaks = Callable[[Pixels, float], Sequence[Peak]]
"""Find cells in an RGB uint8 field of a scale in um per px; doubtful ones too."""


@dataclass(frozen=True)
class KindCell:
    """A labeled crop. ``kind`` and ``detail`` are the source's words; possible_kinds() reads them."""

    source: str
    group: str
    name: str
    kind: str
    detail: str
    um_per_px: float
    """Scale of the picture that the crop was cut from."""

    @property
    def possible(self) -> tuple[str, ...]:
        """Kinds that the label allows."""
        return possible_kinds(self.source, self.kind, self.detail)


@dataclass(frozen=True)
class Cutting:
    """Objects to take from a field besides its labeled leukocytes."""

    erythrocytes: int = 2
    platelets: int = 2
    false_peaks: int = 0
    """Detections without a label nearby; only where the source labels every leukocyte."""
    reach_um: float = 0.0
    """Largest distance of the cell from its label, for pictures that show a cell anywhere. 0: by the cell's radius."""


def cut_wide(image: Pixels, x_px: float, y_px: float, um_per_px: float) -> Pixels:
    """Return SIDE x SIDE pixels around a place.

    Beyond the image, its edge is repeated, because white would reveal the source.
    """
    factor = um_per_px / UM_PER_PX
    reach = int(SIDE / 2 / factor * 1.5) + 4
    column, row = round(x_px), round(y_px)
    left, top = max(0, column - reach), max(0, row - reach)
    window = image[top : max(top + 1, row + reach), left : max(left + 1, column + reach)]
    if factor < 0.75:
        window = np.asarray(cv2.GaussianBlur(window, (0, 0), 0.45 * float(np.sqrt(1 / factor**2 - 1))), np.uint8)
    middle = (SIDE - 1) / 2
    matrix = np.array([[factor, 0, middle - factor * (x_px - left)], [0, factor, middle - factor * (y_px - top)]])
    return np.asarray(
        cv2.warpAffine(window, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def crops_of(
    field: LabeledField, find: FindPeaks, cutting: Cutting, seed: int = 0
) -> Iterator[tuple[KindCell, Pixels]]:
    """Cut every labeled cell of a field at the detector's center, and some objects that are not leukocytes."""
    image, um = field.read(), field.um_per_px
    height, width = image.shape[:2]
    illumination = estimate_illumination(image)
    peaks = list(find(image, um))

    def cut(x: float, y: float, kind: str, detail: str) -> tuple[KindCell, Pixels]:
        crop = even_light(cut_wide(image, x, y, um), illumination.gain_at(x / width, y / height))
        name = f"{field.file}@{round(x)},{round(y)}"
        return KindCell(field.source, field.group, name, kind, detail, round(um, 4)), crop

    used = set()
    for cell in _leukocytes(field):
        x, y = cell.x_px, cell.y_px
        nearest = _nearest(peaks, cell, um, cutting.reach_um)
        if nearest is not None:
            used.add(nearest)
            if peaks[nearest][3] > _CENTER_SCORE:
                x, y = peaks[nearest][:2]
        if possible_kinds(field.source, cell.kind, cell.detail):
            yield cut(x, y, cell.kind, cell.detail)
    rng = np.random.Generator(np.random.PCG64([seed, *field.file.encode()]))
    for kind, most in (("erythrocyte", cutting.erythrocytes), ("platelet", cutting.platelets)):
        apart = [o for o in field.objects if o.kind == kind and _is_apart(o, field, width, height)]
        for i in rng.permutation(len(apart))[:most]:
            yield cut(apart[i].x_px, apart[i].y_px, "artifact", kind)
    unlabeled = [p for i, p in enumerate(peaks) if i not in used and _is_unlabeled(p, field, width, height)]
    for x, y, _, _ in unlabeled[: cutting.false_peaks]:
        yield cut(x, y, "artifact", "false peak")


def _leukocytes(field: LabeledField) -> list[LabeledObject]:
    return [o for o in field.objects if o.kind not in ("erythrocyte", "platelet")]


def _nearest(peaks: Sequence[Peak], cell: LabeledObject, um_per_px: float, reach_um: float) -> int | None:
    """Return the index of the peak that is this cell."""
    reach = reach_um / um_per_px or _NEAR * max(cell.radius_px, _LEAST_RADIUS_UM / um_per_px)
    away = [float(np.hypot(x - cell.x_px, y - cell.y_px)) for x, y, _, _ in peaks]
    near = [i for i, d in enumerate(away) if d < reach and (not reach_um or peaks[i][3] > _CLEAR_SCORE)]
    return min(near, key=away.__getitem__) if near else None


def _is_apart(thing: LabeledObject, field: LabeledField, width: int, height: int) -> bool:
    """Return True if an erythrocyte or platelet is completely in the field, with no leukocyte next to it."""
    edge = min(thing.x_px, thing.y_px, width - thing.x_px, height - thing.y_px)
    return edge * field.um_per_px > _INSIDE_UM and all(
        np.hypot(thing.x_px - o.x_px, thing.y_px - o.y_px) > o.radius_px + 0.7 * thing.radius_px
        for o in _leukocytes(field)
    )


def _is_unlabeled(peak: Peak, field: LabeledField, width: int, height: int) -> bool:
    x, y = peak[:2]
    if min(x, y, width - x, height - y) * field.um_per_px < _EDGE_UM:
        return False
    clear = _CLEARANCE_UM / field.um_per_px
    return all(np.hypot(x - o.x_px, y - o.y_px) > 1.3 * o.radius_px + clear for o in field.objects)
