"""Estimation and removal of the light's color and unevenness in a field.

A bright-field image is the product of the light and the transmittance of the stain. The empty background shows the
light alone, so dividing by a smooth estimate of it leaves the stain.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.vocabulary import Image

BACKGROUND_LEVEL = 235.0
"""Level (0 to 255) of the empty background after correction, in each channel."""

_GRID = 16
_SIDE_PX = 256
_Y, _X = np.mgrid[-1 : 1 : _GRID * 1j, -1 : 1 : _GRID * 1j]
_BASIS = np.stack([np.ones_like(_X), _X, _Y, _X * _Y, _X * _X, _Y * _Y], -1).reshape(-1, 6)
"""1, x, y, xy, x^2, y^2 at each cell of the grid."""
_FREE = np.zeros((6, 6))
_EVEN = np.diag([0.0, 1, 1, 1, 1, 1]) * 4.0
"""Ridge penalty that pulls a calibrated field's surface toward flat, 4 % of the weight of a field that is all
background. A larger one would not follow a moved condenser; a smaller one would follow a field's thick half."""
_BRIGHT_QUANTILE = 0.9
_LIMIT = 6.0
"""Largest gain; a darker spot is not lit background (black border, burned-in text)."""


@dataclass(frozen=True, eq=False)
class Illumination:
    """Background of one image: float32, grid x grid x 3, levels 0 to 255, to be interpolated over the image."""

    background: npt.NDArray[np.float32]

    def gain(self, width_px: int, height_px: int) -> npt.NDArray[np.float32]:
        """Return the gain that evens out the background, float32 height x width x 3."""
        gain = BACKGROUND_LEVEL / np.maximum(self.background, BACKGROUND_LEVEL / _LIMIT)
        return np.asarray(cv2.resize(gain, (width_px, height_px), interpolation=cv2.INTER_LINEAR))

    def correct(self, image: Image) -> Image:
        """Return the image with even, white light, RGB uint8, same size. Meant for small images (it is a full pass)."""
        gain = self.gain(image.shape[1], image.shape[0])
        return np.asarray(cv2.multiply(image, gain, dtype=cv2.CV_8U))

    def gain_at(self, x: float, y: float) -> npt.NDArray[np.float32]:
        """Return the gain of the three channels at a position given as fractions of width and height, 0 to 1."""
        rows, columns = self.background.shape[:2]
        r = min(max(round(y * (rows - 1)), 0), rows - 1)
        c = min(max(round(x * (columns - 1)), 0), columns - 1)
        level = np.maximum(self.background[r, c], BACKGROUND_LEVEL / _LIMIT)
        return np.asarray(BACKGROUND_LEVEL / level, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class FlatField:
    """Light distribution of a bench on an empty field."""

    shape: npt.NDArray[np.float32]
    """float32 n x n x 3 over the frame; the mean of each channel is 1."""

    @cached_property
    def _tiles(self) -> dict[tuple[int, int], npt.NDArray[np.float64]]:
        return {}

    def tile_levels(self, width_px: int, height_px: int) -> npt.NDArray[np.float64]:
        """Return the tile levels of the flat field itself at a size in pixels, float64 256 x 3.

        Dividing by them cancels the light's gradient within a tile.
        """
        size = (width_px, height_px)
        if size not in self._tiles:
            self._tiles.clear()  # frames of one bench have one size
            large = cv2.resize(self.shape, size, interpolation=cv2.INTER_LINEAR)
            self._tiles[size] = _tile_levels(np.asarray(large * _FINE + 0.5, np.uint16)) / _FINE
        return self._tiles[size]


_FINE = 10_000.0
"""Integer value of 1 in a flat field, so that the selection for images can be used."""


def _tile_levels(small: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> npt.NDArray[np.float64]:
    """Return a high quantile of each of 16 x 16 tiles, float64 256 x 3, of an image with sides in multiples of 16."""
    rows, columns = small.shape[0] // _GRID, small.shape[1] // _GRID
    tiles = cv2.blur(small, (3, 3)).reshape(_GRID, rows, _GRID, columns, 3).transpose(0, 2, 1, 3, 4)
    # NumPy has a fast selection for 16 bits but not for 8.
    tiles = tiles.reshape(_GRID * _GRID, rows * columns, 3).transpose(0, 2, 1).astype(np.uint16)
    k = int(_BRIGHT_QUANTILE * (rows * columns - 1))
    return np.partition(tiles, k, axis=2)[..., k].astype(np.float64)


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
