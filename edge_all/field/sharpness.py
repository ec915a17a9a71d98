"""How blurred the edges of a field are, in micrometres, along and across."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

IN_FOCUS_BLUR_UM = 0.3
"""Edge blur (standard deviation) of a field in good focus under a 100x objective; sharpness 1."""

_STRONGEST = 0.04
"""Share of the pixels that counts as edges."""
_WIDEST_UM = 3.0
_WINDOW_PX = 384


@dataclass(frozen=True)
class EdgeBlur:
    """Standard deviation of the edges' blur, um."""

    x_um: float
    y_um: float

    @property
    def sharpness(self) -> float:
        """1 in good focus, less when blurred along either axis."""
        return IN_FOCUS_BLUR_UM / max(self.x_um, self.y_um, 0.05)

    @property
    def is_smeared(self) -> bool:
        """Blurred much more along one axis than along the other: the stage moved."""
        low, high = sorted((self.x_um, self.y_um))
        return high > 0.45 and high > 1.5 * low


def measure_edge_blur(grey: npt.NDArray[np.uint8], um_per_px: float) -> EdgeBlur:
    """Blur of the strongest edges of a grey uint8 image.

    Blurring an edge of width s again by a known a and b lowers its steepest slope to 1/sqrt(s^2 + a^2) and
    1/sqrt(s^2 + b^2); the ratio of the slopes gives s (reblurring: Zhuo and Sim 2011). Both blurs also take the noise
    away that would look like sharpness.
    """
    first, second = 1.0, 2.0
    # Enough edges are in a window, and in the middle the objective is sharpest.
    top, left = (max(0, (n - _WINDOW_PX) // 2) for n in grey.shape)
    window = grey[top : top + _WINDOW_PX, left : left + _WINDOW_PX].astype(np.float32)
    once = cv2.GaussianBlur(window, (7, 7), first)
    twice = cv2.GaussianBlur(once, (11, 11), float(np.sqrt(second**2 - first**2)))
    widths = []
    for across in (True, False):
        slope, again = _slope(once, across), _slope(twice, across)
        some = slope[::5, ::5].ravel()  # enough to know the quantile
        k = int((1 - _STRONGEST) * (some.size - 1))
        edges = (slope >= max(float(np.partition(some, k)[k]), 1e-3)).astype(np.float32)
        steep, less_steep = cv2.mean(cv2.multiply(slope, edges))[0], cv2.mean(cv2.multiply(again, edges))[0]
        ratio = steep / max(less_steep, 1e-6) if steep > 0 else 1.0
        square = (second**2 - ratio**2 * first**2) / max(ratio**2 - 1, 1e-6)
        widths.append(float(np.clip(np.sqrt(max(square, 0.0)) * um_per_px, 0.0, _WIDEST_UM)))
    return EdgeBlur(*widths)


def _slope(image: npt.NDArray[Any], across: bool) -> npt.NDArray[Any]:
    """Absolute difference of the neighbours on both sides."""
    if across:
        return np.asarray(cv2.absdiff(image[:, 2:], image[:, :-2]))
    return np.asarray(cv2.absdiff(image[2:], image[:-2]))
