"""Detection of changes in the light since its calibration."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import median

import numpy as np
import numpy.typing as npt

from edge_all.calibration.model import LightCalibration
from edge_all.domain.illumination import Illumination

LIGHT_DRIFTED = "light drifted"
"""Warning of a field, as stored in the record."""

_FIELDS = 9
_MOST_LEVEL = 0.25
_MOST_COLOR = 0.06
_MOST_SHAPE = 0.12


@dataclass(frozen=True)
class LightDrift:
    """Relative change of a field's background against the calibrated one."""

    level: float
    """Change of the green channel's level; 0 is unchanged, -0.2 is a fifth darker."""
    color: float
    """Largest change of red or blue relative to green."""
    shape: float
    """Range of the change across the field, beyond the change of level, in the green channel."""

    @property
    def is_large(self) -> bool:
        """True if any of the changes exceeds its limit."""
        return abs(self.level) > _MOST_LEVEL or abs(self.color) > _MOST_COLOR or self.shape > _MOST_SHAPE

    @property
    def words(self) -> str:
        """Description of the changes that exceed their limits, the most important first: color, shape, level."""
        parts = []
        if abs(self.color) > _MOST_COLOR:
            parts.append(f"its color by {100 * abs(self.color):.0f} %")
        if self.shape > _MOST_SHAPE:
            parts.append(f"its evenness by {100 * self.shape:.0f} %")
        if abs(self.level) > _MOST_LEVEL:
            parts.append(f"its level by {100 * abs(self.level):.0f} %")
        return "the light has changed: " + ", ".join(parts)


def light_drift(illumination: Illumination, calibrated: LightCalibration) -> LightDrift:
    """Compare the background measured in a field with the calibrated one; both must cover the same frame."""
    now, then = (_thinned(b) for b in (illumination.background, calibrated.background))
    ratio = now / np.maximum(then, 1.0)
    red, green, blue = ratio.mean(0).tolist()
    change = np.sort(ratio[:, 1])
    edge = len(change) // 20
    return LightDrift(
        green - 1, max(red / green - 1, blue / green - 1, key=abs), float(change[-1 - edge] - change[edge]) / green
    )


def _thinned(background: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return at most about 16 x 16 points of a grid, n x 3; grids of equal size are subsampled equally."""
    step = max(1, background.shape[0] // 16)
    return background[::step, ::step].reshape(-1, 3)


class DriftWatch:
    """Running median of the drift over the last fields, so that a single thick field does not count as drift."""

    def __init__(self, calibrated: LightCalibration) -> None:
        self._calibrated = calibrated
        self._seen: deque[LightDrift] = deque(maxlen=_FIELDS)

    def see(self, illumination: Illumination) -> LightDrift:
        """Add a field's illumination and return the median change over the last nine fields."""
        self._seen.append(light_drift(illumination, self._calibrated))
        level, color, shape = (median(getattr(d, name) for d in self._seen) for name in ("level", "color", "shape"))
        return LightDrift(level, color, shape)
