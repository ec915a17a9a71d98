"""Cropping of cells from a field at a fixed scale. All classifier input is made here."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.domain.illumination import BACKGROUND_LEVEL
from edge_all.domain.image import Image
from edge_all.domain.types import Detection, Field
from edge_all.inference.contract import Contract

_DISC_MARGIN = 1.2
"""Radius of the disc in cell radii; it contains the cell's outline and a rim of its surroundings."""
_DISC_FADE = 0.15
"""Width of the fade at the disc's edge, in cell radii."""


def cut_cell(
    image: Image,
    x_px: float,
    y_px: float,
    um_per_px: float,
    side: int,
    out_um_per_px: float,
    repeat_edge: bool = False,
) -> Image:
    """Cut a square around a position of an RGB uint8 image.

    An anti-aliasing blur is applied if the image is finer than the crop. Areas beyond the image's edge are white.

    Args:
        image: RGB uint8, H x W x 3.
        x_px: Horizontal center in pixels of the image.
        y_px: Vertical center in pixels of the image.
        um_per_px: Scale of the image in micrometers per pixel.
        side: Side of the crop in pixels.
        out_um_per_px: Scale of the crop in micrometers per pixel.
        repeat_edge: Repeat the pixels of the image's edge beyond it, in place of white.

    Returns:
        The crop, RGB uint8, side x side x 3.
    """
    factor = um_per_px / out_um_per_px
    half = side / 2 / factor
    # Work on a window, because a blur of the whole frame would cost more than all other steps.
    margin = 3 + int(2 / factor)
    left, top = int(np.floor(x_px - half)) - margin, int(np.floor(y_px - half)) - margin
    right, bottom = int(np.ceil(x_px + half)) + margin, int(np.ceil(y_px + half)) + margin
    window = image[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    if window.size == 0:
        return np.full((side, side, 3), 255, np.uint8)
    ox, oy = max(0, left), max(0, top)
    if factor < 0.75:
        kernel = _gaussian(0.45 * float(np.sqrt(1 / factor**2 - 1)))
        # For bytes, this is twice as fast as cv2.GaussianBlur and differs from it by 1 in one pixel of a hundred.
        window = np.asarray(cv2.sepFilter2D(window, -1, kernel, kernel, borderType=cv2.BORDER_REPLICATE), np.uint8)
    matrix = np.array(
        [
            [factor, 0, (side - 1) / 2 - factor * (x_px - ox)],
            [0, factor, (side - 1) / 2 - factor * (y_px - oy)],
        ],
        np.float64,
    )
    return np.asarray(
        cv2.warpAffine(
            window,
            matrix,
            (side, side),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE if repeat_edge else cv2.BORDER_CONSTANT,
            borderValue=(255, 255, 255),
        )
    )


@lru_cache(maxsize=64)
def _gaussian(sigma: float) -> npt.NDArray[np.float64]:
    """Return a Gaussian kernel of the length that cv2.GaussianBlur uses for bytes."""
    return np.asarray(cv2.getGaussianKernel(round(6 * sigma + 1) | 1, sigma, cv2.CV_64F))


def even_light(crop: Image, gain: npt.NDArray[np.float32]) -> Image:
    """Multiply an RGB uint8 crop by a gain for each of its three channels."""
    scalar: Any = (*map(float, gain), 0.0)
    return np.asarray(cv2.multiply(crop, scalar, dtype=cv2.CV_8U))


@lru_cache(maxsize=8)
def _distance(side: int) -> npt.NDArray[np.float32]:
    """Return the distance of each pixel from the center of a square, in pixels."""
    axis = np.arange(side, dtype=np.float32) - (side - 1) / 2
    return np.asarray(np.hypot(axis[:, None], axis[None, :]), np.float32)


@lru_cache(maxsize=8)
def _background(side: int) -> Image:
    return np.full((side, side, 3), round(BACKGROUND_LEVEL), np.uint8)


def disc_weight(side: int, radius: float) -> npt.NDArray[np.float32]:
    """Return a weight per pixel, from 1 inside the cell's disc to 0 outside, float32 side x side; radius in pixels."""
    fade = _DISC_FADE * radius
    weight = _distance(side) * np.float32(-1 / fade)
    weight += np.float32(_DISC_MARGIN * radius / fade + 0.5)
    return np.asarray(np.clip(weight, 0, 1, out=weight))


def fade_to_background(crop: Image, radius: float) -> Image:
    """Fade everything outside the cell's disc to background. Returns RGB uint8, same size; radius in pixels."""
    weight = disc_weight(crop.shape[0], radius)
    return np.asarray(cv2.blendLinear(crop, _background(crop.shape[0]), weight, 1 - weight))


class Cropper:
    """Maker of the classifier's input, RGB uint8 side x side x 3, from a field and a detection."""

    def __init__(self, contract: Contract) -> None:
        self._side = contract.input_px
        self._um_per_px = contract.um_per_px
        self._disc = contract.window == "disc"
        # A network that sees the surroundings was trained on crops that repeat the edge: white would be a shape to it.
        self._repeat_edge = not self._disc

    def crop(self, field: Field, detection: Detection) -> Image:
        """Return the cell in even white light at the contract's scale."""
        frame = field.frame
        crop = cut_cell(
            frame.image,
            detection.x_px,
            detection.y_px,
            field.um_per_px,
            self._side,
            self._um_per_px,
            self._repeat_edge,
        )
        gain = field.illumination.gain_at(detection.x_px / frame.width_px, detection.y_px / frame.height_px)
        crop = even_light(crop, gain)
        if self._disc:
            crop = fade_to_background(crop, detection.radius_px * field.um_per_px / self._um_per_px)
        return crop


PORTRAIT_SIDE = 192
PORTRAIT_UM_PER_PX = 25.6 / 192
"""Scale of portraits, finer than the 0.2 um that a 100x objective resolves."""


def portrait(field: Field, detection: Detection) -> Image:
    """Return the uncorrected cell for viewing: RGB uint8, 192 x 192 x 3, 25.6 um wide."""
    return cut_cell(
        field.frame.image, detection.x_px, detection.y_px, field.um_per_px, PORTRAIT_SIDE, PORTRAIT_UM_PER_PX
    )
