"""Calibration of a camera: up to four parts, each with its own date. Those of the optics apply to one frame size."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_all.calibration.cells import CellAdaptation
from edge_all.domain.illumination import FlatField

OLD_AFTER_DAYS = 30
_DAY_S = 86400.0


@dataclass(frozen=True, eq=False)
class LightCalibration:
    """Illumination measured in an empty bright field."""

    measured: float
    """Time of the measurement, seconds since the epoch."""
    width_px: int
    height_px: int
    background: npt.NDArray[np.float32]
    """Levels of the empty field, 0 to 255, float32 n x n x 3, to be stretched over the frame."""
    frames: int
    """Number of frames averaged."""

    @property
    def level(self) -> npt.NDArray[np.float64]:
        """Mean level of each channel, 0 to 255, float64 of shape (3,)."""
        return np.asarray(self.background.mean((0, 1)), np.float64)

    @property
    def unevenness(self) -> float:
        """Relative darkening of the darkest place against the brightest in the worst channel, 0 to 1."""
        return float((1 - self.background.min((0, 1)) / self.background.max((0, 1))).max())

    @property
    def color_gain(self) -> tuple[float, float, float]:
        """Gains of red, green and blue that make the light white; the gain of the brightest channel is 1."""
        red, green, blue = (self.level.max() / self.level).tolist()
        return (red, green, blue)

    @cached_property
    def flat(self) -> FlatField:
        """Flat field with the shape of the light only, because exposure and lamp level may change."""
        return FlatField(np.asarray(self.background / self.background.mean((0, 1)), np.float32))


@dataclass(frozen=True)
class ScaleCalibration:
    """Scale in micrometers per pixel."""

    measured: float
    """Time of the measurement, seconds since the epoch."""
    width_px: int
    height_px: int
    um_per_px: float
    spread: float
    """Standard deviation of the single measurements (fields, or gaps between lines) relative to the scale, 0 to 1."""
    count: int
    """Number of fields, or of lines of the micrometer."""
    ruler: str
    """Reference of the measurement: "erythrocytes" or "micrometer"."""


@dataclass(frozen=True)
class FocusCalibration:
    """Best sharpness of this bench and the share of it that a field must reach."""

    measured: float
    """Time of the measurement, seconds since the epoch."""
    width_px: int
    height_px: int
    best: float
    """Sharpness in the best focus (docs/gate.md)."""
    share: float
    """Share of the best sharpness that a field must have, 0 to 1."""
    frames: int
    """Number of frames of the focus curve."""

    @property
    def min_sharpness(self) -> float:
        """Lowest sharpness of a field that is in focus."""
        return self.best * self.share


OpticsPart = LightCalibration | ScaleCalibration | FocusCalibration
"""Part that applies only to frames of the size it was measured in."""
Part = OpticsPart | CellAdaptation


@dataclass(frozen=True, eq=False)
class Calibration:
    """Calibration of one camera."""

    camera: str
    """The camera's identity (cameras/identity.py)."""
    light: LightCalibration | None = None
    scale: ScaleCalibration | None = None
    focus: FocusCalibration | None = None
    cells: CellAdaptation | None = None
    """Adaptation of the classifier, for frames of any size."""

    @property
    def optics(self) -> dict[str, OpticsPart]:
        """The existing parts that apply to frames of one size, by name."""
        named = {"light": self.light, "scale": self.scale, "focus": self.focus}
        return {name: part for name, part in named.items() if part is not None}

    @property
    def parts(self) -> dict[str, Part]:
        """The existing parts, by name."""
        cells: dict[str, Part] = {} if self.cells is None else {"cells": self.cells}
        return {**self.optics, **cells}

    def with_part(self, part: Part) -> Calibration:
        """Return a copy in which a part is added or replaced."""
        if isinstance(part, LightCalibration):
            return replace(self, light=part)
        if isinstance(part, ScaleCalibration):
            return replace(self, scale=part)
        if isinstance(part, CellAdaptation):
            return replace(self, cells=part)
        return replace(self, focus=part)

    def without(self, *names: str) -> Calibration:
        """Return a copy without the named parts."""
        removed: dict[str, Any] = dict.fromkeys(names)
        return replace(self, **removed)

    def of_size(self, width_px: int, height_px: int) -> Calibration:
        """Return a copy with only the parts that apply to frames of the given size."""
        others = [n for n, p in self.optics.items() if (p.width_px, p.height_px) != (width_px, height_px)]
        return self.without(*others) if others else self

    def warnings(self, now: float) -> list[str]:
        """Return the warnings that a session should report, one line each. now: seconds since the epoch.

        The adaptation to the cells has no age limit, because it stays valid until the stain or the model changes.
        """
        warnings = []
        for name, part in self.parts.items():
            days = (now - part.measured) / _DAY_S
            if days > OLD_AFTER_DAYS and name in self.optics:
                warnings.append(
                    f"the calibration of {name} is {days:.0f} days old: "
                    f"renew it with 'edge-all calibrate {name}' (recommended after {OLD_AFTER_DAYS} days)"
                )
            elif days < -1:
                warnings.append(
                    f"the calibration of {name} is dated in the future: check the clock, then calibrate again"
                )
        return warnings


NONE = Calibration("")
"""Empty calibration without any part."""
