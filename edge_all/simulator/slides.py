"""Slides without a smear, for calibrating the bench: empty glass, and a stage micrometer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_LINE_UM = 1.5
_LINE_TRANSMISSION = 0.25


class EmptySlide:
    """Clear glass that transmits all the light."""

    def cut(self, left_px: int, top_px: int, width: int, height: int) -> npt.NDArray[np.uint8]:  # noqa: ARG002
        """Return the transmittance of a window, uint8 height x width x 3, 255 = clear."""
        return np.full((height, width, 3), 255, np.uint8)


class StageMicrometer:
    """Lines of a known pitch over the whole slide, with the objective's resting blur."""

    def __init__(self, pitch_um: float, angle_deg: float, um_per_px: float, blur_um: float) -> None:
        """Create a slide with lines pitch_um apart. angle_deg: counterclockwise rotation from vertical lines."""
        self._pitch, self._um_per_px = pitch_um, um_per_px
        self._along = np.deg2rad(angle_deg)
        self._blur = blur_um

    def cut(self, left_px: int, top_px: int, width: int, height: int) -> npt.NDArray[np.uint8]:
        """Return the transmittance of a window, uint8 height x width x 3, 255 = clear."""
        x = (left_px + np.arange(width, dtype=np.float64)) * self._um_per_px
        y = (top_px + np.arange(height, dtype=np.float64)) * self._um_per_px
        across = x[None, :] * np.cos(self._along) - y[:, None] * np.sin(self._along)
        from_line = np.abs((across + self._pitch / 2) % self._pitch - self._pitch / 2)
        soft = max(2.5 * self._blur, self._um_per_px)
        dark = np.clip((_LINE_UM / 2 - from_line) / soft + 0.5, 0, 1) * (1 - _LINE_TRANSMISSION)
        return np.repeat(((1 - dark) * 255 + 0.5).astype(np.uint8)[..., None], 3, axis=2)
