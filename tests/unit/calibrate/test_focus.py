"""The best focus and the limit below it, from a focus that is turned through."""

import numpy as np
import pytest

from edge_all.calibrate.focus import FocusPoint, focus_calibration, focus_point
from edge_all.cameras.drivers.simulated import SimulatedMicroscope
from edge_all.domain.types import Frame
from edge_all.errors import CalibrationError

LIKE = Frame(np.zeros((360, 640, 3), np.uint8), 0, 5.0, "x")


def curve(values, contrast=30.0):
    return focus_calibration([FocusPoint(v, contrast) for v in values], LIKE)


def test_the_best_focus_is_found_where_the_simulated_objective_has_it():
    with SimulatedMicroscope("sim:?seed=7&fields=1&frames_per_field=21&focus_turn=3&width=800&height=500") as camera:
        frames = [camera.read() for _ in range(21)]
        truth = [camera.truth(f.index).defocus_um for f in frames]
    points = [focus_point(f, 0.1) for f in frames]
    sharpest = int(np.argmax([p.sharpness for p in points]))
    assert truth[sharpest] < min(truth) + 0.4
    calibration = focus_calibration(points, frames[0])
    out_of_focus = [p.sharpness for p, um in zip(points, truth, strict=True) if um > 1.5]
    assert len(out_of_focus) > 5
    assert max(out_of_focus) < calibration.min_sharpness < calibration.best
    assert calibration.min_sharpness == pytest.approx(0.5 * calibration.best)


def test_one_lucky_frame_is_not_the_best_focus():
    assert curve([0.3, 0.4, 0.6, 1.0, 5.0, 1.0, 0.6, 0.4, 0.3]).best == 1.0


RISING = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]


@pytest.mark.parametrize(
    ("values", "contrast", "says"),
    [
        pytest.param(RISING, 30, "after the sharpest", id="only up"),
        pytest.param(RISING[::-1], 30, "before the sharpest", id="only down"),
        pytest.param([1.0] * 12, 30, "not turned through", id="not turned"),
        pytest.param([0.2, 1.0, 0.2], 30, "only 3 frames", id="too fast"),
        pytest.param([0.2, 0.4, 0.8, 1.0, 1.0, 0.8, 0.4, 0.2], 2, "field is empty", id="nothing to see"),
    ],
)
def test_a_focus_that_was_not_turned_through_is_refused(values, contrast, says):
    with pytest.raises(CalibrationError, match=says):
        curve(values, contrast)
