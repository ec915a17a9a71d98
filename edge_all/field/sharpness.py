"""How blurred the edges of a field are, in micrometres, along and across."""

from __future__ import annotations

from dataclasses import dataclass

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
    window = grey[top : top + _WINDOW_PX, left : left + _WINDOW_PX]
    once = cv2.GaussianBlur(window.astype(np.float32), (0, 0), first)
    twice = cv2.GaussianBlur(once, (0, 0), float(np.sqrt(second**2 - first**2)))
    widths = []
    for dx, dy in ((1, 0), (0, 1)):
        slope = np.abs(cv2.Sobel(once, cv2.CV_32F, dx, dy, ksize=1))
        again = np.abs(cv2.Sobel(twice, cv2.CV_32F, dx, dy, ksize=1))
        some = slope[::3, ::3].ravel()  # enough to know the quantile
        k = int((1 - _STRONGEST) * (some.size - 1))
        edges = slope >= max(float(np.partition(some, k)[k]), 1e-3)
        ratio = float(slope[edges].sum() / max(float(again[edges].sum()), 1e-6)) if edges.any() else 1.0
        square = (second**2 - ratio**2 * first**2) / max(ratio**2 - 1, 1e-6)
        widths.append(float(np.clip(np.sqrt(max(square, 0.0)) * um_per_px, 0.0, _WIDEST_UM)))
    return EdgeBlur(*widths)
