"""Moving, or being focused: by what was seen to move and by the blur at rest."""

import pytest

from edge_all.field.motion import MotionWatch
from edge_all.field.sharpness import EdgeBlur

WIDTH_UM = 128.0
REST = EdgeBlur(0.30, 0.32)


def watch(at_rest=REST):
    made = MotionWatch()
    made.is_moving(0, None, REST, WIDTH_UM)
    if at_rest is not None:
        made.rested(at_rest)
    return made


@pytest.mark.parametrize(
    ("moved", "blur", "moving"),
    [
        pytest.param((0.1, 0.1), EdgeBlur(0.7, 0.3), False, id="smeared by the optics, at rest"),
        pytest.param((2.0, 0.1), EdgeBlur(0.33, 0.32), True, id="a little more blur along the way"),
        pytest.param((0.1, 2.0), EdgeBlur(0.33, 0.32), False, id="the same blur, but across it"),
        pytest.param((0.1, -2.0), EdgeBlur(0.28, 0.33), True, id="along y, in a field that looks sharper"),
        pytest.param((1.5, 1.5), EdgeBlur(0.35, 0.37), True, id="aslant: both axes"),
        pytest.param((1.5, 1.5), EdgeBlur(0.31, 0.33), False, id="aslant, as sharp as at rest"),
        pytest.param((60.0, 0.0), EdgeBlur(0.33, 0.30), False, id="at rest again after a jump"),
        pytest.param((60.0, 0.0), EdgeBlur(0.55, 0.55), True, id="still on its way after a jump"),
        pytest.param(None, EdgeBlur(0.55, 0.55), True, id="lost and blurred"),
        pytest.param(None, EdgeBlur(0.35, 0.35), False, id="lost and sharp"),
        pytest.param(None, EdgeBlur(0.6, 0.35), True, id="lost and smeared"),
    ],
)
def test_moving(moved, blur, moving):
    assert watch().is_moving(1, moved, blur, WIDTH_UM) is moving


def test_a_slow_creep_over_dropped_frames_is_not_motion():
    assert not watch().is_moving(6, (2.0, 0.0), EdgeBlur(0.33, 0.32), WIDTH_UM)


def test_before_any_rest_a_good_objective_is_the_measure():
    assert watch(None).is_moving(1, (2.0, 0.0), EdgeBlur(0.40, 0.38), WIDTH_UM)
    assert not watch(None).is_moving(1, (2.0, 0.0), EdgeBlur(0.30, 0.30), WIDTH_UM)


def test_a_turning_focus_is_awaited_and_a_resting_one_is_not():
    made = watch()
    turned = [made.is_being_focused(EdgeBlur(b, b)) for b in (1.2, 0.9, 0.6, 0.4, 0.31)]
    assert turned == [False, True, True, False, False]
    assert [made.is_being_focused(EdgeBlur(b, b)) for b in (0.55, 0.56, 0.55)] == [True, False, False]
