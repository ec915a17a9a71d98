"""Outlines and textures on a patch of pixels, from which cells are drawn."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Patch:
    """Square of pixels around a cell's center, with coordinates in um."""

    x: FloatArray
    y: FloatArray
    um_per_px: float
    rng: np.random.Generator

    @classmethod
    def around(cls, radius_um: float, um_per_px: float, rng: np.random.Generator) -> Patch:
        """Return a patch that encloses a disk of this radius; its side is odd, so that the center is a pixel."""
        half = int(np.ceil(radius_um / um_per_px)) + 2
        axis = np.arange(-half, half + 1, dtype=np.float32) * np.float32(um_per_px)
        side = (len(axis), len(axis))
        return cls(np.broadcast_to(axis[None, :], side), np.broadcast_to(axis[:, None], side), um_per_px, rng)

    @property
    def side(self) -> int:
        """Number of pixels along each side."""
        return int(self.x.shape[0])

    def blob(
        self,
        radius: float,
        *,
        at: tuple[float, float] = (0.0, 0.0),
        irregular: float = 0.03,
        oval: float = 0.08,
        soft: float = 0.15,
    ) -> FloatArray:
        """Draw a round outline with low-order Fourier waves: 1 inside, 0 outside, float32. Lengths are in um."""
        rng = self.rng
        # Compute only the window that the outline can reach, because a nucleus has many small lobes.
        reach, half = radius * (1.15 + oval + 2 * irregular) + soft, self.side // 2
        rows = self._span(at[1], reach, half)
        columns = self._span(at[0], reach, half)
        dx = self.x[rows, columns] - np.float32(at[0])
        dy = self.y[rows, columns] - np.float32(at[1])
        edge = np.float32(radius)
        if irregular or oval:
            angle = np.arctan2(dy, dx)
            for order in range(2, 6):
                size = (oval if order == 2 else irregular * 3 / order) * rng.normal(0, 0.6)
                wave = np.cos(order * angle + np.float32(rng.uniform(0, 6.3)))
                edge = edge + np.float32(radius * size) * wave
        mask = np.zeros_like(self.x)
        mask[rows, columns] = np.clip((edge - np.hypot(dx, dy)) / np.float32(soft) + 0.5, 0, 1)
        return mask

    def _span(self, center_um: float, reach_um: float, half: int) -> slice:
        low = int((center_um - reach_um) / self.um_per_px) + half
        high = int((center_um + reach_um) / self.um_per_px) + half + 2
        return slice(max(0, low), max(0, min(self.side, high)))

    def noise(self, grain_um: float) -> FloatArray:
        """Return smooth noise with grains of about the given size; mean 0, standard deviation 1."""
        cells = max(3, round(self.side * self.um_per_px / max(grain_um, self.um_per_px)))
        coarse = self.rng.standard_normal((cells, cells), dtype=np.float32)
        fine = np.asarray(cv2.resize(coarse, (self.side, self.side), interpolation=cv2.INTER_CUBIC))
        return np.asarray(fine / max(float(fine.std()), 1e-6), np.float32)

    def warped(self, mask: FloatArray, amount_um: float, grain_um: float) -> FloatArray:
        """Bend a mask as if it lay on soft matter. amount_um: standard deviation of the shift of each point."""
        shift = np.float32(amount_um / self.um_per_px)
        axis = np.arange(self.side, dtype=np.float32)
        x = axis[None, :] + shift * self.noise(grain_um)
        y = axis[:, None] + shift * self.noise(grain_um)
        return np.asarray(cv2.remap(mask, x, y, cv2.INTER_LINEAR), np.float32)

    def specks(self, count: int, radius_um: float, within: FloatArray) -> FloatArray:
        """Draw small disks at random positions where ``within`` exceeds 0.5; values 0 to 1."""
        canvas = np.zeros((self.side, self.side), np.float32)
        rows, columns = np.nonzero(within > 0.5)
        if len(rows):
            for i in self.rng.integers(len(rows), size=count):
                size = max(1, round(radius_um * self.rng.uniform(0.7, 1.3) / self.um_per_px))
                cv2.circle(canvas, (int(columns[i]), int(rows[i])), size, 1.0, -1, cv2.LINE_AA)
        return np.asarray(cv2.blur(canvas, (3, 3)))
