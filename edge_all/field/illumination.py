"""Estimation and removal of the light's color and unevenness in a field.

A bright-field image is the product of the light and the transmittance of the stain. The empty background shows the
light alone, so dividing by a smooth estimate of it leaves the stain.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.domain.illumination import _GRID, FlatField, Illumination, _tile_levels
from edge_all.domain.image import Image

_SIDE_PX = 256
_Y, _X = np.mgrid[-1 : 1 : _GRID * 1j, -1 : 1 : _GRID * 1j]
_BASIS = np.stack([np.ones_like(_X), _X, _Y, _X * _Y, _X * _X, _Y * _Y], -1).reshape(-1, 6)
"""1, x, y, xy, x^2, y^2 at each cell of the grid."""
_FREE = np.zeros((6, 6))
_EVEN = np.diag([0.0, 1, 1, 1, 1, 1]) * 4.0
"""Ridge penalty that pulls a calibrated field's surface toward flat, 4 % of the weight of a field that is all
background. A larger one would not follow a moved condenser; a smaller one would follow a field's thick half."""


def estimate_illumination(image: Image, flat: FlatField | None = None) -> Illumination:
    """Estimate the light of an RGB uint8 image from its brightest areas, as a quadratic surface per channel.

    A high quantile of each channel is taken in each cell of a coarse grid. A quadratic surface in x and y is fitted to
    it by least squares, reweighted so that cells without background (thick clumps) have little influence (an
    asymmetric fit, as in asymmetric least squares baselines: Eilers and Boelens 2005).

    With a flat field, the surface is fitted to the image divided by it, with a pull toward flat (ridge regression). The
    illumination is then the flat field times that surface, at the flat field's resolution. This costs one pass over the
    grid, not over the image.
    """
    # Average whole blocks into pixels and whole pixels into tiles, because averaging whole blocks is fast, and noise
    # or single bright pixels are not background. Only a few pixels at the edge are left out.
    block = max(1, max(image.shape[:2]) // _SIDE_PX)
    rows, columns = (max(1, n // (_GRID * block)) for n in image.shape[:2])
    whole = image[: rows * _GRID * block, : columns * _GRID * block]
    small = cv2.resize(whole, (columns * _GRID, rows * _GRID), interpolation=cv2.INTER_AREA)
    values = _tile_levels(np.asarray(small, np.uint8))
    if flat is not None:
        values /= flat.tile_levels(small.shape[1], small.shape[0])
    hold = _EVEN if flat is not None else _FREE
    basis = _BASIS
    brightness = values.sum(1)
    weight = np.where(brightness >= _quantile(brightness, 0.3), 1.0, 0.05)
    surface = values
    for _ in range(4):
        weighted = basis.T * weight**2
        surface = basis @ np.linalg.solve(weighted @ basis + hold, weighted @ values)
        before, weight = weight, np.where((values - surface).sum(1) > -6.0, 1.0, 0.05)
        if np.array_equal(before, weight):
            break
    # A fitted surface can overshoot where it has no support, so limit it to the observed range.
    low, high = _quantile(values, 0.2) * 0.6, values.max(0) * 1.1 + 1.0
    surface = np.clip(surface, low, high)
    background = surface.reshape(_GRID, _GRID, 3).astype(np.float32)
    if flat is not None:
        side = flat.shape.shape[1::-1]
        background = np.asarray(cv2.resize(background, side, interpolation=cv2.INTER_LINEAR) * flat.shape, np.float32)
    return Illumination(background)


def _quantile(values: npt.NDArray[np.float64], share: float) -> npt.NDArray[np.float64]:
    """Compute np.quantile along the first axis, in a tenth of the time for few values."""
    whole, rest = divmod(share * (len(values) - 1), 1)
    k = int(whole)
    lower, upper = np.partition(values, (k, k + 1), axis=0)[k : k + 2]
    return np.asarray(lower + rest * (upper - lower))
