"""Measurement of the scale in micrometers per pixel from the erythrocytes of a field."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.domain.illumination import BACKGROUND_LEVEL
from edge_all.domain.image import Image
from edge_all.field.illumination import estimate_illumination

ERYTHROCYTE_UM = 7.2
"""Mean diameter of a normal erythrocyte (6.2 to 8.2 um)."""

_COARSE_SIDE_PX = 512
_FINE_DIAMETER_PX = 40.0
_FINE_SIDE_PX = 800
_COARSE_STEP = 0.1
_FINE_STEP = 0.05
"""Difference between neighboring radii that are tried (natural logarithm)."""
_CHANCE = 0.2
"""Share of a circle's rim that random edges reach; only the excess counts."""
_MOST_POINTS = 40_000
_CLEAR_CIRCLE = 0.4
_CONFIDENT_CIRCLES = 5


@dataclass(frozen=True)
class ScaleMeasurement:
    """Result of measure_um_per_px."""

    um_per_px: float
    erythrocyte_px: float
    """Diameter of the typical erythrocyte in pixels of the measured image."""
    circles: int
    """Number of clearly round cells of that size."""

    @property
    def confident(self) -> bool:
        """True if there are enough clear circles to trust the result without other evidence."""
        return self.circles >= _CONFIDENT_CIRCLES


def measure_um_per_px(image: Image) -> ScaleMeasurement | None:
    """Measure the scale of an RGB uint8 field from the size of its erythrocytes. Returns None if there are none.

    Each edge between background and cell votes, along its gradient, for a center at each of a range of radii (fast
    radial symmetry: Loy and Zelinsky 2003). The radius whose centers collect most of their rims, summed over the
    covered area, is that of the erythrocytes; overlapping cells keep enough of their rim. All radii are tried on a
    small copy, and then those around the best one on a copy in which an erythrocyte is 40 px wide.
    """
    longest = max(image.shape[:2])
    if min(image.shape[:2]) < 32:
        return None
    small, shrink = _resized(image, min(1.0, _COARSE_SIDE_PX / longest))
    rims = _Rims.of(small)
    coarse = rims.best_radius(5.0, min(90.0, max(image.shape[:2]) * shrink / 3.0), _COARSE_STEP)
    if coarse is None:
        return None
    radius, circles = coarse[0] / shrink, coarse[1]
    wanted = min(1.0, _FINE_DIAMETER_PX / (2 * radius))
    if not 0.85 * shrink < wanted < 1.15 * shrink:
        half = round(_FINE_SIDE_PX / wanted / 2)
        cy, cx = image.shape[0] // 2, image.shape[1] // 2
        window = image[max(0, cy - half) : cy + half, max(0, cx - half) : cx + half]
        small, shrink = _resized(window, wanted)
        rims = _Rims.of(small)
    r = radius * shrink
    fine = rims.best_radius(r * 0.75, r * 1.35, _FINE_STEP)
    if fine is not None:
        radius, circles = fine[0] / shrink, fine[1]
    return ScaleMeasurement(ERYTHROCYTE_UM / (2 * radius), 2 * radius, circles)


def _resized(image: Image, factor: float) -> tuple[Image, float]:
    """Shrink an image by about a factor, and return it with the actual factor; averaging whole blocks is fast."""
    block = max(1, round(1 / factor))
    if block == 1:
        return image, 1.0
    height, width = image.shape[0] // block, image.shape[1] // block
    small = cv2.resize(image[: height * block, : width * block], (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), 1.0 / block


@dataclass(frozen=True, eq=False)
class _Rims:
    """Edge points of cells against the background, with the unit vector toward the background."""

    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.float32]
    out_x: npt.NDArray[np.float32]
    out_y: npt.NDArray[np.float32]
    shape: tuple[int, int]
    every: int
    """Number of edge points that each point stands for."""

    @classmethod
    def of(cls, image: Image) -> _Rims:
        corrected = estimate_illumination(image).correct(image)
        # Hemoglobin absorbs green most. Nuclei also absorb red, which erythrocytes hardly do.
        green = cv2.GaussianBlur(corrected[..., 1].astype(np.float32), (0, 0), 1.2)
        grad_x = cv2.Sobel(green, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
        grad_y = cv2.Sobel(green, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
        strength = np.hypot(grad_x, grad_y)
        nuclei = cv2.dilate((corrected[..., 0] < 0.58 * BACKGROUND_LEVEL).astype(np.uint8), np.ones((9, 9), np.uint8))
        limit = max(float(np.quantile(strength[::3, ::3], 0.8)) * 0.6, 1.5)
        y, x = np.nonzero((strength > limit) & (nuclei == 0))
        out_x, out_y = grad_x[y, x] / strength[y, x], grad_y[y, x] / strength[y, x]
        height, width = green.shape
        # More points only take time. Take every k-th, so that the choice is deterministic.
        every = max(1, len(x) // _MOST_POINTS)
        x, y, out_x, out_y = x[::every], y[::every], out_x[::every], out_y[::every]
        beyond_x = np.clip(np.round(x + out_x * 4).astype(int), 0, width - 1)
        beyond_y = np.clip(np.round(y + out_y * 4).astype(int), 0, height - 1)
        # The pale center also has edges, but only a rim has the bright background outside.
        rim = green[beyond_y, beyond_x] > 0.88 * BACKGROUND_LEVEL
        return cls(x[rim].astype(np.float32), y[rim].astype(np.float32), out_x[rim], out_y[rim], (height, width), every)

    def best_radius(self, low: float, high: float, step: float) -> tuple[float, int] | None:
        """Return the radius with the most votes between low and high, in px, and its number of clear circles."""
        if len(self.x) < 50 or high <= low:
            return None
        radii = np.exp(np.arange(np.log(low), np.log(high), step))
        votes = [self._votes(float(r)) for r in radii]
        score = np.array([v[0] for v in votes])
        i = int(score.argmax())
        if score[i] <= 0:
            return None
        shift = 0.0
        if 0 < i < len(score) - 1:
            left, top, right = score[i - 1 : i + 2]
            shift = float(0.5 * (left - right) / (left - 2 * top + right)) if left + right < 2 * top else 0.0
        return float(np.exp(np.log(radii[i]) + shift * step)), votes[i][1]

    def _votes(self, radius: float) -> tuple[float, int]:
        height, width = self.shape
        bin_px = max(1.0, radius / 8)
        column = np.round((self.x - self.out_x * radius) / bin_px).astype(int)
        row = np.round((self.y - self.out_y * radius) / bin_px).astype(int)
        columns, rows = int(width / bin_px) + 2, int(height / bin_px) + 2
        inside = (column >= 0) & (row >= 0) & (column < columns) & (row < rows)
        counts = np.bincount(row[inside] * columns + column[inside], minlength=rows * columns)
        smooth = cv2.GaussianBlur(counts.reshape(rows, columns).astype(np.float32), (0, 0), 1.0)
        share = np.asarray(smooth, np.float32) / np.float32(2 * np.pi * radius / self.every)
        peaks = share[(share == cv2.dilate(share, np.ones((5, 5), np.uint8))) & (share > _CHANCE)]
        return float(((peaks - _CHANCE) ** 2).sum() * radius**2), int((peaks > _CLEAR_CIRCLE).sum())
