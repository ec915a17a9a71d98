"""A camera's calibration: up to three parts, each measured on its own day, valid for frames of one size."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_all.field.illumination import FlatField

OLD_AFTER_DAYS = 30
_DAY_S = 86400.0


@dataclass(frozen=True, eq=False)
class LightCalibration:
    """An empty bright field."""

    measured: float
    """Seconds since the epoch."""
    width_px: int
    height_px: int
    background: npt.NDArray[np.float32]
    """Levels of the empty field, 0 to 255: float32 n x n x 3, to be stretched over the frame."""
    frames: int
    """How many were averaged."""

    @property
    def level(self) -> npt.NDArray[np.float64]:
        """Mean level of each channel, 3."""
        return np.asarray(self.background.mean((0, 1)), np.float64)

    @property
    def unevenness(self) -> float:
        """How much darker the darkest place is than the brightest, 0 to 1, in the worst channel."""
        return float((1 - self.background.min((0, 1)) / self.background.max((0, 1))).max())

    @property
    def colour_gain(self) -> tuple[float, float, float]:
        """Gains that make the light white, of red, green and blue; the brightest channel's is 1."""
        red, green, blue = (self.level.max() / self.level).tolist()
        return (red, green, blue)

    @cached_property
    def flat(self) -> FlatField:
        """Its shape alone: exposure and lamp may change."""
        return FlatField(np.asarray(self.background / self.background.mean((0, 1)), np.float32))


@dataclass(frozen=True)
class ScaleCalibration:
    """Micrometres per pixel."""

    measured: float
    width_px: int
    height_px: int
    um_per_px: float
    spread: float
    """Standard deviation of single measurements (fields, or gaps between lines) over the scale, 0 to 1."""
    count: int
    """Fields, or lines of the micrometer."""
    ruler: str
    """"erythrocytes" or "micrometer"."""


@dataclass(frozen=True)
class FocusCalibration:
    """How sharp is sharp on this bench."""

    measured: float
    width_px: int
    height_px: int
    best: float
    """Sharpness in the best focus (docs/gate.md)."""
    share: float
    """Of the best, that a field must have, 0 to 1."""
    frames: int

    @property
    def min_sharpness(self) -> float:
        return self.best * self.share


Part = LightCalibration | ScaleCalibration | FocusCalibration


@dataclass(frozen=True, eq=False)
class Calibration:
    """Of one camera. A part counts for frames of the size that it was measured in, and for no other."""

    camera: str
    """The camera's identity (cameras/identity.py)."""
    light: LightCalibration | None = None
    scale: ScaleCalibration | None = None
    focus: FocusCalibration | None = None

    @property
    def parts(self) -> dict[str, Part]:
        """Those that are there, by name."""
        named = {"light": self.light, "scale": self.scale, "focus": self.focus}
        return {name: part for name, part in named.items() if part is not None}

    def with_part(self, part: Part) -> Calibration:
        """With a part measured anew."""
        if isinstance(part, LightCalibration):
            return replace(self, light=part)
        if isinstance(part, ScaleCalibration):
            return replace(self, scale=part)
        return replace(self, focus=part)

    def without(self, *names: str) -> Calibration:
        """Without the parts of these names."""
        nothing: dict[str, Any] = dict.fromkeys(names)
        return replace(self, **nothing)

    def of_size(self, width_px: int, height_px: int) -> Calibration:
        """The parts that count for frames of a size."""
        others = [n for n, p in self.parts.items() if (p.width_px, p.height_px) != (width_px, height_px)]
        return self.without(*others) if others else self

    def warnings(self, now: float) -> list[str]:
        """What a session should say of it, a line each. now: seconds since the epoch."""
        said = []
        for name, part in self.parts.items():
            days = (now - part.measured) / _DAY_S
            if days > OLD_AFTER_DAYS:
                said.append(
                    f"the calibration of {name} is {days:.0f} days old: "
                    f"'edge-all calibrate {name}' renews it (after {OLD_AFTER_DAYS} days it should be)"
                )
            elif days < -1:
                said.append(f"the calibration of {name} is dated in the future: check the clock, then calibrate again")
        return said


NONE = Calibration("")
"""Nothing was calibrated."""
