"""Measurement of the best sharpness of a bench while the user turns through the focus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.calibration.model import FocusCalibration
from edge_all.domain.plural import counted
from edge_all.domain.types import Frame
from edge_all.errors import CalibrationError
from edge_all.field.overview import overview
from edge_all.field.sharpness import measure_edge_blur

SHARE = 0.5
"""Share of the best sharpness that a field must have; 0.5 allows edges twice as wide as the best ones."""

_LEAST_FRAMES = 8
_OUT_OF_FOCUS = 0.7
"""On both sides of the best focus, the curve must drop to this share of it. Otherwise the best was not passed."""
_LEAST_CONTRAST = 6.0
"""Smallest standard deviation of the levels of a field that contains cells."""


@dataclass(frozen=True)
class FocusPoint:
    """One frame of the focus curve."""

    sharpness: float
    contrast: float
    """Standard deviation of the green levels."""


def focus_point(frame: Frame, um_per_px: float) -> FocusPoint:
    """Measure the sharpness of a frame as the gate does (docs/gate.md)."""
    small, small_um = overview(frame.image, um_per_px)
    gray = np.ascontiguousarray(small[..., 1])
    _, deviation = cv2.meanStdDev(gray)
    return FocusPoint(measure_edge_blur(gray, small_um).sharpness, float(deviation[0, 0]))


def focus_calibration(
    points: Sequence[FocusPoint], like: Frame, share: float = SHARE, measured: float | None = None
) -> FocusCalibration:
    """Return the calibration with the best sharpness of a focus curve.

    The curve is smoothed by a median of three, so that a single outlier does not count as the best focus.

    Args:
        points: The curve, in the order of the frames.
        like: A frame of the curve, for size and time.
        share: Share of the best sharpness that a field must have, 0 to 1.
        measured: Time of the measurement, seconds since the epoch; None for the time of ``like``.

    Raises:
        CalibrationError: when the curve is too short, shows no cells, or does not drop on both sides.
    """
    if len(points) < _LEAST_FRAMES:
        raise CalibrationError(
            f"the focus curve has only {counted(len(points), 'frame')}, {_LEAST_FRAMES} are needed",
            "turn through the focus more slowly, or use a longer --seconds",
        )
    curve = _median_of_three(np.array([p.sharpness for p in points]))
    top = int(curve.argmax())
    best = float(curve[top])
    if max(p.contrast for p in points) < _LEAST_CONTRAST:
        raise CalibrationError("the field is empty, so its sharpness cannot be measured", "move to a field with cells")
    before, after = float(curve[: top + 1].min()), float(curve[top:].min())
    if max(before, after) > _OUT_OF_FOCUS * best:
        side = "before" if before > after else "after"
        raise CalibrationError(
            f"the focus was not turned through: {side} the sharpest frame ({best:.2f}) the sharpness only dropped to "
            f"{max(before, after):.2f}, not below {_OUT_OF_FOCUS * best:.2f}",
            "start out of focus, turn slowly through the sharpest point and out of focus again",
        )
    time = like.time if measured is None else measured
    return FocusCalibration(time, like.width_px, like.height_px, best, share, len(points))


def _median_of_three(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    padded = np.concatenate([values[:1], values, values[-1:]])
    return np.asarray(np.median([padded[:-2], padded[1:-1], padded[2:]], axis=0))
