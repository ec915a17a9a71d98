"""Segmentation of nucleus and cell in a portrait: pixel classification followed by cleanup of the regions.

The input of a perceptron with one hidden layer is a pixel's optical density (in which stains add up, by the
Beer-Lambert law) at two smoothings, absolute and relative to the nucleus, and its distance from the cell's center. The
few hundred weights are stored next to this file and were made by
``python -m edge_all_export.release.build_segmentation``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.cells.crops import PORTRAIT_SIDE, PORTRAIT_UM_PER_PX
from edge_all.domain.image import Image

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]

_WEIGHTS = Path(__file__).with_name("segmentation_weights.json")
_SIDE = PORTRAIT_SIDE // 2
"""Side at which pixels are classified, 0.27 um each: stain boundaries are not sharper, and it takes a quarter of the
time."""
_CENTER = (_SIDE - 1) / 2
_FINE_SIGMA, _COARSE_SIGMA = 0.7, 2.0
_SEED_RADIUS = 1.1
"""Distance in radii of the detection within which the nucleus's density is measured."""
_REACH = 1.4
"""Largest distance of the cell's pixels in radii of the detection, which is sometimes slightly small or shifted."""
_LOBE_SHARE = 0.12
"""Least area of a lobe of the nucleus, as a share of the largest piece."""
_PIECE_SHARE = 0.5
_TOUCHES = 1.34
"""Distance in radii of the detection from which on a region may be two touching cells."""
_NECK_UM = 2.6
"""Width of a neck below which the attached part is a neighboring cell."""
_LEAST_UM2 = 8.0
"""Least area of a nucleus (the area of a platelet)."""
_NUCLEUS_HOLE_UM2 = 2.6
"""Area of a hole in the nucleus below which it is pale chromatin or a vacuole; a larger one is cytoplasm between
lobes."""
_BACKGROUND_QUANTILE = 0.95
FEATURES = 11
_BLOCK = np.ones((2, 2), np.float32)


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Masks of a portrait, bool, 192 x 192. The nucleus is inside the cell."""

    cell: Mask
    nucleus: Mask
    density: Floats
    """Optical density of the three channels (natural logarithm), float32, 192 x 192 x 3; 0 is background."""
    cut: bool
    """True if the cell extends beyond the image or the field, so that its sizes are lower bounds."""


def radius_of(size_um: float) -> float:
    """Return the radius in portrait pixels of a cell whose recorded width is size_um micrometers."""
    return size_um / 2 / PORTRAIT_UM_PER_PX


def segment_cell(portrait: Image, radius_px: float) -> Segmentation | None:
    """Segment the cell in the center of a portrait. The result is deterministic.

    Args:
        portrait: RGB uint8, 192 x 192 x 3, 25.6 um wide, with uncorrected light.
        radius_px: Radius of the detection in the portrait's pixels.

    Returns:
        The segmentation, or None if no nucleus is found.

    Raises:
        ValueError: when the portrait has another shape.
    """
    if portrait.shape != (PORTRAIT_SIDE, PORTRAIT_SIDE, 3):
        raise ValueError(f"a portrait is {PORTRAIT_SIDE} x {PORTRAIT_SIDE} x 3, not {portrait.shape}")
    density, outside = optical_density(portrait)
    features = pixel_features(density, radius_px)
    if features is None:
        return None
    reach = _distance(radius_px) < _REACH
    probability = np.zeros((_SIDE, _SIDE, 3), np.float32)
    probability[..., 0] = 1.0
    probability[reach] = _weights().classify(features[reach])
    smooth = np.asarray(cv2.GaussianBlur(probability, (0, 0), 0.5), np.float32)
    large = np.asarray(cv2.resize(smooth, (PORTRAIT_SIDE, PORTRAIT_SIDE), interpolation=cv2.INTER_LINEAR))
    inside = ~outside
    um2 = PORTRAIT_UM_PER_PX**2
    nucleus = _regions((large[..., 2] > 0.5) & inside, _LOBE_SHARE, _NUCLEUS_HOLE_UM2 / um2)
    if nucleus.sum() * um2 < _LEAST_UM2:
        return None
    cell = _regions(((large[..., 0] < 0.5) & inside) | nucleus, _PIECE_SHARE, np.inf)
    if (cell & (np.kron(_distance(radius_px), _BLOCK) > _TOUCHES)).any():
        cell = _without_neighbors(cell, nucleus)
    nucleus &= cell
    if nucleus.sum() * um2 < _LEAST_UM2:
        return None
    return Segmentation(cell, nucleus, density, _is_cut(cell, outside))


def optical_density(portrait: Image) -> tuple[Floats, Mask]:
    """Return the optical density relative to the portrait's background, and a mask of what is outside the field.

    The density is the natural logarithm, float32, 192 x 192 x 3, 0 to 3. The background is the 0.95 quantile of each
    channel, because some of it is visible in any 25 um of a smear that can be counted.
    """
    red, green, blue = cv2.split(portrait)
    outside = np.asarray(cv2.min(cv2.min(red, green), blue)) == 255
    smooth = cv2.GaussianBlur(portrait, (0, 0), 0.8)
    seen = smooth[::2, ::2][~outside[::2, ::2]]
    if len(seen) == 0:
        return np.zeros(portrait.shape, np.float32), outside
    background = np.quantile(seen, _BACKGROUND_QUANTILE, axis=0)
    # One table per channel needs 256 logarithms instead of 110,000.
    level = np.arange(256, dtype=np.float64)[:, None]
    table = np.clip(np.log((background + 1) / (level + 1)), 0, 3).astype(np.float32)
    density = np.stack([table[:, c][smooth[..., c]] for c in range(3)], axis=2)
    density[outside] = 0
    return density, outside


def pixel_features(density: Floats, radius_px: float) -> Floats | None:
    """Return the perceptron's input features, float32, 96 x 96 x 11, or None if nothing is stained."""
    half = np.asarray(cv2.resize(density, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA))
    fine = np.asarray(cv2.GaussianBlur(half, (0, 0), _FINE_SIGMA))
    coarse = np.asarray(cv2.GaussianBlur(half, (0, 0), _COARSE_SIGMA))
    stain = 0.6 * fine[..., 0] + 0.4 * fine[..., 1]
    distance = _distance(radius_px)
    seed = distance < _SEED_RADIUS
    values = stain[seed]
    if values.size < 20 or float(values.max()) < 0.1:
        return None
    threshold = _otsu(values)
    nuclear = seed & (stain > threshold)
    own = np.maximum(np.median(fine[nuclear], axis=0), 0.05)
    return np.concatenate(
        [
            fine / own,
            coarse / own,
            fine,
            np.minimum(distance, 2.5)[..., None],
            np.minimum(stain / max(threshold, 0.02), 3.0)[..., None],
        ],
        axis=2,
        dtype=np.float32,
    )


@dataclass(frozen=True, eq=False)
class _Weights:
    hidden: Floats
    hidden_bias: Floats
    out: Floats
    out_bias: Floats

    def classify(self, features: Floats) -> Floats:
        """Return the probabilities of background, cytoplasm and nucleus, float32 n x 3."""
        activity = np.maximum(features @ self.hidden + self.hidden_bias, 0)
        logit = activity @ self.out + self.out_bias
        weight = np.exp(logit - logit.max(axis=1, keepdims=True))
        return np.asarray(weight / weight.sum(axis=1, keepdims=True), np.float32)


@lru_cache(maxsize=1)
def _weights() -> _Weights:
    values = json.loads(_WEIGHTS.read_text())
    names = ("hidden", "hidden_bias", "out", "out_bias")
    return _Weights(*(np.asarray(values[n], np.float32) for n in names))


@lru_cache(maxsize=1)
def _grid() -> Floats:
    axis = np.arange(_SIDE, dtype=np.float32) - np.float32(_CENTER)
    return np.asarray(np.hypot(axis[:, None], axis[None, :]) * 2, np.float32)


def _distance(radius_px: float) -> Floats:
    """Return the distance of each pixel from the center in radii of the cell, float32 96 x 96."""
    return np.asarray(_grid() / max(radius_px, 4.0), np.float32)


def _otsu(values: Floats) -> float:
    """Return the threshold that splits values into the two most distinct classes (Otsu 1979)."""
    counts, edges = np.histogram(values, 128)
    share = counts / counts.sum()
    weight = np.cumsum(share)
    mean = np.cumsum(share * np.arange(128))
    between = (mean[-1] * weight - mean) ** 2 / (weight * (1 - weight) + 1e-9)
    return float(edges[int(between.argmax()) + 1])


def _regions(mask: Mask, least_share: float, largest_hole_px: float) -> Mask:
    """Remove specks, thin spurs, and pieces smaller than a share of the largest, and fill holes up to a size."""
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, ellipse)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened)
    if count < 2:
        return np.zeros(mask.shape, np.bool_)
    areas = stats[1:, cv2.CC_STAT_AREA]
    is_large = np.concatenate([[False], areas >= least_share * areas.max()])
    result = cast(Mask, is_large[labels])
    # The surroundings are one hole that stays open. Use 4-neighbors, so that it does not leak in at corners.
    count, labels, stats, _ = cv2.connectedComponentsWithStats((~result).astype(np.uint8), connectivity=4)
    rim = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    holes = stats[:, cv2.CC_STAT_AREA] < largest_hole_px
    holes[0] = False
    holes[rim] = False
    return np.asarray(result | holes[labels])


def _without_neighbors(cell: Mask, nucleus: Mask) -> Mask:
    """Return the part of the cell that contains most of the nucleus after cutting thin necks."""
    side = round(_NECK_UM / PORTRAIT_UM_PER_PX) | 1
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    eroded = cv2.erode(cell.astype(np.uint8), ellipse, borderType=cv2.BORDER_REPLICATE)
    count, labels = cv2.connectedComponents(eroded)
    if count < 2:
        return cell
    # The distance from the center decides between two nuclei, because the portrait's cell is in its center.
    middle = np.kron(np.exp(-((_grid() / PORTRAIT_SIDE * 6) ** 2)), _BLOCK)
    weight = np.bincount(labels.ravel(), (middle * (1 + nucleus)).ravel(), count)
    weight[0] = 0
    own = (labels == int(weight.argmax())).astype(np.uint8)
    return np.asarray(cell & (cv2.dilate(own, ellipse) > 0))


def _is_cut(cell: Mask, outside: Mask) -> bool:
    rim = cell[0].any() or cell[-1].any() or cell[:, 0].any() or cell[:, -1].any()
    beyond = cv2.dilate(outside.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    # Single white pixels inside the image (an overexposed highlight) are not an edge of the field.
    return bool(rim or (cell & beyond).sum() > 0.01 * cell.sum())
