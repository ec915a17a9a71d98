"""Measurement of the edge blur of a field in micrometers, along both axes. The decision is in gate.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

IN_FOCUS_BLUR_UM = 0.3
"""Edge blur (standard deviation) of a field in good focus under a 100x objective, which is sharpness 1."""

_STRONGEST = 0.04
"""Share of the pixels that counts as edges."""
_WIDEST_UM = 3.0
_NOISE_OF_MEDIAN = 1.7
"""Factor from median to standard deviation: the first blur removes 0.87 of white noise, and half of a normal
distribution is within 0.6745 of its standard deviation."""
_NOISE_FIRST, _NOISE_SECOND = 0.1006, 0.0088
"""Variance of the slopes of white noise of variance 1 after the first and after the second blur."""
_OVER_NOISE = 8.0
"""Factor by which edges are steeper than slopes from noise."""
_WINDOW_PX = 384
_FIRST_PX, _SECOND_PX = 1.0, 2.0
_FIRST = cv2.getGaussianKernel(7, _FIRST_PX, cv2.CV_32F)
_ON_TO_SECOND = cv2.getGaussianKernel(11, (_SECOND_PX**2 - _FIRST_PX**2) ** 0.5, cv2.CV_32F)


@dataclass(frozen=True)
class EdgeBlur:
    """Standard deviation of the edges' blur along both axes, in micrometers."""

    x_um: float
    y_um: float

    @property
    def sharpness(self) -> float:
        """Sharpness: 1 in good focus, less if blurred along either axis."""
        return IN_FOCUS_BLUR_UM / self.widest_um

    @property
    def widest_um(self) -> float:
        """Blur along the worse axis; at least 0.05, which no camera can distinguish from zero."""
        return max(self.x_um, self.y_um, 0.05)

    @property
    def is_smeared(self) -> bool:
        """True if the blur is much larger along one axis, because the stage moved."""
        low, high = sorted((self.x_um, self.y_um))
        return high > 0.45 and high > 1.5 * low


def measure_edge_blur(gray: npt.NDArray[np.uint8], um_per_px: float) -> EdgeBlur:
    """Measure the blur of the strongest edges of a gray uint8 image, H x W.

    Blurring an edge of width s again by a known a and b lowers its steepest slope to 1/sqrt(s^2 + a^2) and
    1/sqrt(s^2 + b^2); the ratio of the slopes gives s (reblurring: Zhuo and Sim 2011). Both blurs also remove noise
    that would look like sharpness. Slopes that noise alone would give are not edges, so an image that is washed out by
    a long movement counts as blurred to the maximum.
    """
    # A window contains enough edges, and the objective is sharpest in the center.
    top, left = (max(0, (n - _WINDOW_PX) // 2) for n in gray.shape)
    window = gray[top : top + _WINDOW_PX, left : left + _WINDOW_PX]
    once = cv2.sepFilter2D(window, cv2.CV_32F, _FIRST, _FIRST)
    twice = cv2.sepFilter2D(once, cv2.CV_32F, _ON_TO_SECOND, _ON_TO_SECOND)
    noise = _noise(window, once)
    widths = []
    for across in (True, False):
        slope, again = _slope(once, across), _slope(twice, across)
        some = again[::5, ::5].ravel()  # enough for the quantile
        k = int((1 - _STRONGEST) * (some.size - 1))
        limit = max(float(np.partition(some, k)[k]), 1e-3)
        # Select edges after the second blur, because edges selected where noise made them steep would look sharp.
        edges = (again >= np.float32(limit)).view(np.uint8)
        count = max(1, cv2.countNonZero(edges))
        steep = cv2.norm(slope, cv2.NORM_L2SQR, edges) / count - _NOISE_FIRST * noise**2
        less_steep = cv2.norm(again, cv2.NORM_L2SQR, edges) / count - _NOISE_SECOND * noise**2
        if less_steep < _OVER_NOISE**2 * _NOISE_SECOND * noise**2 or steep <= less_steep > 0:
            widths.append(_WIDEST_UM)
            continue
        ratio = float(np.sqrt(steep / max(less_steep, 1e-6)))
        square = (_SECOND_PX**2 - ratio**2 * _FIRST_PX**2) / max(ratio**2 - 1, 1e-6)
        widths.append(float(np.clip(np.sqrt(max(square, 0.0)) * um_per_px, 0.0, _WIDEST_UM)))
    return EdgeBlur(*widths)


def _noise(window: npt.NDArray[np.uint8], once: npt.NDArray[Any]) -> float:
    """Estimate the standard deviation of white noise, in levels, from what the first blur removes off the edges."""
    removed = cv2.absdiff(window[::5, ::5].astype(np.float32), np.ascontiguousarray(once[::5, ::5])).ravel()
    return float(np.partition(removed, removed.size // 2)[removed.size // 2]) * _NOISE_OF_MEDIAN


def _slope(image: npt.NDArray[Any], across: bool) -> npt.NDArray[Any]:
    """Return the absolute difference of the neighbors on both sides."""
    if across:
        return np.asarray(cv2.absdiff(image[:, 2:], image[:, :-2]))
    return np.asarray(cv2.absdiff(image[2:], image[:-2]))
