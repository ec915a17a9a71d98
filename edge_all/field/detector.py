"""Detection of all leukocytes and smudges in a field with a fully convolutional network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.domain.illumination import BACKGROUND_LEVEL, Illumination
from edge_all.domain.image import Image
from edge_all.domain.types import Detection, Field
from edge_all.field.downsample import shrunk
from edge_all.field.spatial_grid import SpatialGrid
from edge_all.inference.base import Engine

FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

STRIDE = 4
"""Pixels of the network's input per pixel of its maps."""

_MULTIPLE = 16
"""Multiple to which the sides of the input are padded, because the network halves it four times."""
_REFERENCE_RADIUS_UM = 6.0
"""Unit of the radius map, which holds the natural logarithm of radius / this value."""
_SMUDGE_OVER_LEUKOCYTE = 0.7
"""Share of the smudge map's value below which the leukocyte map must stay for a peak to count as a smudge. A smudge
that is classified costs the reviewer some time, but a blast that is taken for a smudge is missed."""
_NEIGHBORS = np.ones((3, 3), np.uint8)
_SAME_CELL = 0.75
"""Share of the larger radius below which the distance of two peaks means that they are one cell."""


@dataclass(frozen=True, eq=False)
class DetectorInput:
    """A field as network input: RGB uint8, with the light removed, at the network's scale."""

    image: Image
    """H x W x 3, with sides in multiples of 16; the padding beyond the field is background."""
    scale_x: float
    """Horizontal pixels of the network's input per pixel of the frame."""
    scale_y: float
    """Vertical pixels of the network's input per pixel of the frame."""


def prepare_detector_input(
    image: Image, um_per_px: float, illumination: Illumination, network_um_per_px: float
) -> DetectorInput:
    """Resize an RGB uint8 frame to the network's scale and remove its light. All detector input is made here."""
    block = max(1, int(network_um_per_px / um_per_px + 0.01))
    height, width = image.shape[0] // block * block, image.shape[1] // block * block
    small = shrunk(image, block)
    new_width = max(1, round(width * um_per_px / network_um_per_px))
    new_height = max(1, round(height * um_per_px / network_um_per_px))
    if small.shape[:2] != (new_height, new_width):
        shrinks = new_width < small.shape[1]
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        small = np.asarray(cv2.resize(small, (new_width, new_height), interpolation=method), np.uint8)
    small = illumination.correct(small)
    level = int(BACKGROUND_LEVEL)
    padded = cv2.copyMakeBorder(
        small,
        0,
        -new_height % _MULTIPLE,
        0,
        -new_width % _MULTIPLE,
        cv2.BORDER_CONSTANT,
        value=(level, level, level),
    )
    return DetectorInput(np.asarray(padded), new_width / width, new_height / height)


class Peak(NamedTuple):
    """Local maximum of the network's maps, in pixels of its input."""

    x: float
    y: float
    radius: float
    score: float
    smudge: bool


def decode_peaks(
    heat: npt.NDArray[np.float32], log_radius: npt.NDArray[np.float32], threshold: float, um_per_px: float
) -> list[Peak]:
    """Return the peaks of the maps, best first, each cell once.

    Centers are detected as points, after CenterNet (Zhou et al. 2019). The position within a map pixel is the vertex of
    the parabola through its neighbors. Overlapping peaks are removed by distance, not by box.

    Args:
        heat: float32 2 x h x w, 0 to 1: centers of leukocytes and of smudges.
        log_radius: float32 h x w.
        threshold: Least value of a peak, 0 to 1.
        um_per_px: Scale of the network's input in micrometers per pixel.
    """
    peaks: list[Peak] = []
    for kind in range(2):
        plane = np.ascontiguousarray(heat[kind])
        rows, columns = np.nonzero((plane == cv2.dilate(plane, _NEIGHBORS)) & (plane >= threshold))
        x = (columns + _vertex(plane, rows, columns, 0, 1) + 0.5) * STRIDE - 0.5
        y = (rows + _vertex(plane, rows, columns, 1, 0) + 0.5) * STRIDE - 0.5
        radius = np.exp(log_radius[rows, columns].astype(np.float64)) * _REFERENCE_RADIUS_UM / um_per_px
        around = zip(rows.tolist(), columns.tolist(), radius.tolist(), strict=True)
        smudge = [kind == 1 and _is_smudge(heat, *one) for one in around]
        peaks += map(Peak, x.tolist(), y.tolist(), radius.tolist(), plane[rows, columns].tolist(), smudge)
    peaks.sort(key=lambda p: (-p.score, p.y, p.x))
    return _each_cell_once(peaks)


def _is_smudge(heat: npt.NDArray[np.float32], row: int, column: int, radius: float) -> bool:
    """Return True if a peak of the smudge map has no clear leukocyte around it."""
    reach = max(2, int(0.6 * radius / STRIDE))
    around = heat[0, max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
    return float(around.max()) < _SMUDGE_OVER_LEUKOCYTE * float(heat[1, row, column])


def _each_cell_once(peaks: list[Peak]) -> list[Peak]:
    """Remove peaks that are too close to a better one."""
    if len(peaks) < 2:
        return peaks
    reach = _SAME_CELL * max(peak.radius for peak in peaks)
    best: list[Peak] = []
    places: SpatialGrid[int] = SpatialGrid(reach)
    for peak in peaks:
        near = places.near(peak.x, peak.y, reach)
        if not any(square <= (_SAME_CELL * max(peak.radius, best[i].radius)) ** 2 for i, square in near):
            places.put(len(best), peak.x, peak.y)
            best.append(peak)
    return best


def _vertex(plane: npt.NDArray[np.float32], rows: Indices, columns: Indices, dy: int, dx: int) -> FloatArray:
    """Return the offsets of the parabolas' vertices along one axis, -0.5 to 0.5; 0 at the plane's edge."""
    height, width = plane.shape
    inside = (rows >= dy) & (rows < height - dy) & (columns >= dx) & (columns < width - dx)
    # At the edge, any neighbor will do, because the result is discarded.
    before = plane[np.maximum(rows - dy, 0), np.maximum(columns - dx, 0)].astype(np.float64)
    after = plane[np.minimum(rows + dy, height - 1), np.minimum(columns + dx, width - 1)].astype(np.float64)
    bend = before - 2 * plane[rows, columns].astype(np.float64) + after
    bent = inside & (bend < 0)
    offset = 0.5 * (before - after) / np.where(bent, bend, 1.0)
    return np.asarray(np.where(bent, np.clip(offset, -0.5, 0.5), 0.0))


class LeukocyteDetector:
    """Detector of leukocytes and smudges in a field."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._um_per_px = engine.contract.um_per_px
        self._threshold = engine.contract.thresholds["found"]

    def find(self, field: Field) -> list[Detection]:
        """Detect all leukocytes and smudges whose center is in the field.

        Returns detections in frame pixels, ordered by y and then by x.
        """
        frame = field.frame
        prepared = prepare_detector_input(frame.image, field.um_per_px, field.illumination, self._um_per_px)
        heat, log_radius = self._engine.run(prepared.image[None])
        found = []
        for peak in decode_peaks(heat[0], log_radius[0, 0], self._threshold, self._um_per_px):
            x = (peak.x + 0.5) / prepared.scale_x - 0.5
            y = (peak.y + 0.5) / prepared.scale_y - 0.5
            if not (-0.5 <= x < frame.width_px - 0.5 and -0.5 <= y < frame.height_px - 0.5):
                continue
            found.append(Detection(x, y, peak.radius / prepared.scale_x, peak.score, peak.smudge))
        return sorted(found, key=lambda d: (d.y_px, d.x_px))
