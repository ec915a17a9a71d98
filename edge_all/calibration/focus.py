"""How sharp is sharp on this bench: the sharpness while the focus is turned through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.calibration.calibration import FocusCalibration
from edge_all.errors import CalibrationError
from edge_all.field.overview import overview
from edge_all.field.sharpness import measure_edge_blur
from edge_all.vocabulary import Frame

SHARE = 0.5
"""Of the best sharpness, that a field must have: edges twice as wide as the best ones."""

_LEAST_FRAMES = 8
_OUT_OF_FOCUS = 0.7
"""On both sides of the best focus the curve must come down to this share of it: else the best was not passed."""
_LEAST_CONTRAST = 6.0
"""Standard deviation of the levels of a field with cells in it."""


@dataclass(frozen=True)
class FocusPoint:
    """One frame of the curve."""

    sharpness: float
    contrast: float
    """Standard deviation of the green levels."""


def focus_point(frame: Frame, um_per_px: float) -> FocusPoint:
    """Sharpness of a frame (docs/gate.md), as the gate measures it."""
    small, small_um = overview(frame.image, um_per_px)
    grey = np.ascontiguousarray(small[..., 1])
    _, deviation = cv2.meanStdDev(grey)
    return FocusPoint(measure_edge_blur(grey, small_um).sharpness, float(deviation[0, 0]))


def focus_calibration(
    points: Sequence[FocusPoint], like: Frame, share: float = SHARE, measured: float | None = None
) -> FocusCalibration:
    """The best sharpness of a curve, in the order of the frames.

    The curve is smoothed by a median of three: one lucky frame is not the best focus. like: a frame of it, for size and
    time. Raises CalibrationError where the curve is short, shows no cells, or does not come down on both sides.
    """
    if len(points) < _LEAST_FRAMES:
        raise CalibrationError(
            f"the focus was seen in {len(points)} frames only, {_LEAST_FRAMES} are needed",
            "turn it through more slowly, or take a longer --seconds",
        )
    curve = _median_of_three(np.array([p.sharpness for p in points]))
    top = int(curve.argmax())
    best = float(curve[top])
    if max(p.contrast for p in points) < _LEAST_CONTRAST:
        raise CalibrationError(
            "the field is empty: there is nothing whose sharpness could be seen", "move to a field with cells"
        )
    before, after = float(curve[: top + 1].min()), float(curve[top:].min())
    if max(before, after) > _OUT_OF_FOCUS * best:
        side = "before" if before > after else "after"
        raise CalibrationError(
            f"the focus was not turned through: {side} the sharpest frame ({best:.2f}) the sharpness came down to "
            f"{max(before, after):.2f} only, not under {_OUT_OF_FOCUS * best:.2f}",
            "begin out of focus, turn slowly through the sharpest point and out of focus again",
        )
    time = like.time if measured is None else measured
    return FocusCalibration(time, like.width_px, like.height_px, best, share, len(points))


def _median_of_three(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    padded = np.concatenate([values[:1], values, values[-1:]])
    return np.asarray(np.median([padded[:-2], padded[1:-1], padded[2:]], axis=0))
