"""Simulation of light, focus and sensor: from the transmittance of the smear to the camera image."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

BLUR_UM_PER_UM = 0.5
"""Standard deviation of the blur per um out of focus: about half the cone of a 1.25 NA oil objective."""


class Optics:
    """Uneven, colored light and noisy sensor of one microscope; deterministic by seed and frame."""

    def __init__(self, seed: int, width: int, height: int, um_per_px: float) -> None:
        rng = np.random.Generator(np.random.PCG64([seed, 10]))
        self._um_per_px = um_per_px
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
        cx, cy = rng.uniform(-0.3, 0.3, 2)
        falloff = 1 - rng.uniform(0.04, 0.16) * ((x - cx) ** 2 + (y - cy) ** 2)
        color = rng.uniform(0.86, 1.0, 3)
        level = rng.uniform(0.68, 0.9)
        light = falloff[..., None] * (color / color.max() * level).astype(np.float32)
        self._light = np.clip(light * 255, 0, 255).astype(np.uint8)
        # The noise is drawn once and cut at a random position; drawing it for each frame costs more than all the rest.
        bank = rng.normal(128, rng.uniform(1.5, 3.5), (height + 97, width + 97, 3))
        self._noise = np.clip(bank + 0.5, 0, 255).astype(np.uint8)

    def see(
        self,
        transmission: npt.NDArray[np.uint8],
        defocus_um: float,
        motion_px: tuple[int, int],
        rng: np.random.Generator,
    ) -> npt.NDArray[np.uint8]:
        """Return the camera image of a transmittance, RGB uint8, same size.

        Args:
            transmission: Transmittance, uint8 H x W x 3, 255 = clear.
            defocus_um: Distance from the focal plane, um.
            motion_px: Movement during the exposure (x, y), px.
            rng: Random numbers for the sensor noise.
        """
        sigma = abs(defocus_um) * BLUR_UM_PER_UM / self._um_per_px
        image: npt.NDArray[np.uint8] = transmission
        if sigma > 0.8:  # a smaller blur is not visible next to that of the objective
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma))
        if max(map(abs, motion_px)) > 1:
            image = np.asarray(cv2.blur(image, (max(1, abs(motion_px[0])), max(1, abs(motion_px[1])))))
        image = np.asarray(cv2.multiply(image, self._light, scale=1 / 255))
        oy, ox = int(rng.integers(97)), int(rng.integers(97))
        noise = self._noise[oy : oy + image.shape[0], ox : ox + image.shape[1]]
        return np.asarray(cv2.addWeighted(image, 1.0, noise, 1.0, -128.0))
