"""Measurement of a bench's light in an empty bright field: flat field and color balance."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.calibration.model import LightCalibration
from edge_all.domain.image import Image
from edge_all.domain.types import Frame
from edge_all.errors import CalibrationError

GRID = 64
"""Cells of the flat field along each side: fine enough for the shadow of dust, coarse enough to average the noise."""
MAX_UNEVENNESS = 0.5
"""Largest relative darkening of the darkest place against the brightest, 0 to 1."""

_SATURATED = 252
_MOST_SATURATED = 0.005
_LEAST_LEVEL = 60.0
_SHADE = 0.06
"""A place that is darker than the surrounding light by this share is covered by something."""
_MOST_COVERED = 0.005
"""Largest covered share of an empty field. Dust on a clean slide covers less, one leukocyte covers more."""
_MOST_FLICKER = 0.05
_SIDE_PX = 200


def measure_light(frames: Sequence[Frame], max_unevenness: float = MAX_UNEVENNESS) -> LightCalibration:
    """Measure the light of an empty field as the average of several frames.

    Args:
        frames: At least one frame, all of one size, RGB uint8.
        max_unevenness: Largest accepted unevenness, 0 to 1.

    Raises:
        CalibrationError: when the field is dark, saturated, not empty or too uneven, or when the light changed between
            frames.
    """
    first = frames[0]
    if any(f.image.shape != first.image.shape for f in frames):
        raise CalibrationError("the frames differ in size", "set the camera to one frame size")
    levels = np.array([f.image[::8, ::8].mean() for f in frames])
    mean = np.zeros(first.image.shape, np.float32)
    for frame in frames:
        cv2.accumulate(frame.image, mean)
    mean /= len(frames)
    _refuse_dark_or_saturated(frames, mean)
    _refuse_cells(mean)
    worst = float(np.abs(levels / np.median(levels) - 1).max())
    if worst > _MOST_FLICKER:
        raise CalibrationError(
            f"the light changed by {100 * worst:.0f} % while it was measured",
            "turn off automatic exposure, do not touch the stage or the lamp, and calibrate again",
        )
    small = cv2.resize(cv2.blur(mean, (5, 5)), (GRID, GRID), interpolation=cv2.INTER_AREA)
    calibration = LightCalibration(
        first.time, first.width_px, first.height_px, np.asarray(small, np.float32), len(frames)
    )
    if calibration.unevenness > max_unevenness:
        raise CalibrationError(
            f"the light is uneven, with the darkest place {100 * calibration.unevenness:.0f} % darker than the "
            f"brightest (limit {100 * max_unevenness:.0f} %)",
            "center the condenser and open its diaphragm (Koehler), clean the lenses, and calibrate again",
        )
    return calibration


def _refuse_dark_or_saturated(frames: Sequence[Frame], mean: npt.NDArray[np.float32]) -> None:
    level = float(mean.mean((0, 1)).max())
    if level < _LEAST_LEVEL:
        raise CalibrationError(
            f"the field is too dark (level {level:.0f} of 255)", "increase the lamp brightness or the exposure"
        )
    clipped = max(float((f.image[::2, ::2] >= _SATURATED).any(2).mean()) for f in frames)
    if clipped > _MOST_SATURATED:
        raise CalibrationError(
            f"the field is saturated ({100 * clipped:.0f} % of it is as bright as the camera can show)",
            "reduce the exposure or the lamp brightness until the brightest place is at about 220 of 255",
        )


def _refuse_cells(mean: npt.NDArray[np.float32]) -> None:
    share = covered_share(np.asarray(mean + 0.5, np.uint8))
    if share > _MOST_COVERED:
        raise CalibrationError(
            f"the field is not empty ({100 * share:.1f} % of it is covered)",
            "move to clear glass next to the smear, keep the focus of the smear, or clean the slide",
        )


def covered_share(image: Image) -> float:
    """Return the share of an RGB uint8 field that is darker than the smooth light around it, 0 to 1.

    In each channel, the light is a fourth-degree surface fitted to the bright places (asymmetric least squares, Eilers
    and Boelens 2005). The darkest channel decides how dark a place is.
    """
    block = max(1, image.shape[1] // _SIDE_PX)
    height, width = image.shape[0] // block, image.shape[1] // block
    small = cv2.resize(image[: height * block, : width * block], (width, height), interpolation=cv2.INTER_AREA)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    basis = np.stack([x**i * y**j for i in range(5) for j in range(5 - i)], -1).reshape(-1, 15)
    values = small.reshape(-1, 3).astype(np.float64)
    weight = np.ones(len(values))
    for _ in range(6):
        weighted = basis.T * weight
        light = np.maximum(basis @ np.linalg.solve(weighted @ basis, weighted @ values), 1.0)
        passed = (values / light).min(1)
        weight = np.where(passed > 1 - _SHADE / 3, 1.0, 0.01)
    return float((passed < 1 - _SHADE).mean())
