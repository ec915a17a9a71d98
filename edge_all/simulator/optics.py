"""Light, focus and sensor: from what the smear lets through to what the camera sees."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

BLUR_UM_PER_UM = 0.5
"""Standard deviation of the blur for each um out of focus: about half the cone of a 1.25 NA oil objective."""


class Optics:
    """One microscope's uneven, coloured light and noisy sensor; deterministic by seed and frame."""

    def __init__(self, seed: int, width: int, height: int, um_per_px: float) -> None:
        rng = np.random.Generator(np.random.PCG64([seed, 10]))
        self._um_per_px = um_per_px
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
        cx, cy = rng.uniform(-0.3, 0.3, 2)
        falloff = 1 - rng.uniform(0.04, 0.16) * ((x - cx) ** 2 + (y - cy) ** 2)
        colour = rng.uniform(0.86, 1.0, 3)
        level = rng.uniform(0.68, 0.9)
        light = falloff[..., None] * (colour / colour.max() * level).astype(np.float32)
        self._light = np.clip(light * 255, 0, 255).astype(np.uint8)
        # Noise made once and cut at a random place: drawing it anew costs more than all the rest.
        bank = rng.normal(128, rng.uniform(1.5, 3.5), (height + 97, width + 97, 3))
        self._noise = np.clip(bank + 0.5, 0, 255).astype(np.uint8)

    def see(
        self,
        transmission: npt.NDArray[np.uint8],
        defocus_um: float,
        motion_px: tuple[int, int],
        rng: np.random.Generator,
    ) -> npt.NDArray[np.uint8]:
        """A camera image, RGB uint8, of a transmittance of the same size. motion_px: path during the exposure."""
        sigma = abs(defocus_um) * BLUR_UM_PER_UM / self._um_per_px
        image: npt.NDArray[np.uint8] = transmission
        if sigma > 0.8:  # less is lost in the objective's own blur
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma))
        if max(map(abs, motion_px)) > 1:
            image = np.asarray(cv2.blur(image, (max(1, abs(motion_px[0])), max(1, abs(motion_px[1])))))
        image = np.asarray(cv2.multiply(image, self._light, scale=1 / 255))
        oy, ox = int(rng.integers(97)), int(rng.integers(97))
        noise = self._noise[oy : oy + image.shape[0], ox : ox + image.shape[1]]
        return np.asarray(cv2.addWeighted(image, 1.0, noise, 1.0, -128.0))
