"""The light of a field as values: the background's level and a bench's flat field."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.domain.image import Image

BACKGROUND_LEVEL = 235.0
"""Level (0 to 255) of the empty background after correction, in each channel."""


_GRID = 16


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
