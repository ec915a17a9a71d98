"""The stage followed over a drawn plane, jumps, and places that are found again."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_all.field.registration import Picture, displacement_near
from edge_all.field.stage import Place, Stage

UM = 0.4
"""Scale of the pictures."""


def plane(seed: int = 0, side: int = 2600) -> np.ndarray:
    """Erythrocytes on a jittered grid: alike at many shifts, equal at one."""
    rng = np.random.default_rng(seed)
    picture = np.full((side, side), 200, np.uint8)
    for row in range(0, side, 24):
        for column in range(0, side, 24):
            x, y = column + rng.normal(0, 6), row + rng.normal(0, 6)
            cv2.circle(picture, (int(x), int(y)), 9, int(rng.integers(110, 150)), -1)
    return picture


PLANE = plane()


def window(x: float, y: float, sigma: float = 0.0) -> np.ndarray:
    cut = PLANE[round(y) : round(y) + 180, round(x) : round(x) + 320]
    return cv2.GaussianBlur(cut, (0, 0), sigma) if sigma else cut


def go(stage: Stage, x: float, y: float, sigma: float = 0.0) -> Place:
    stage.follow(window(x, y, sigma), UM)
    return stage.locate()


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(-110, 110), st.integers(-60, 60)), min_size=3, max_size=8))
def test_places_follow_any_path_that_overlaps(steps):
    stage, x, y = Stage(), 1000, 1000
    origin = go(stage, x, y)
    for dx, dy in steps:
        x, y = x + dx, y + dy
        place = go(stage, x, y)
        assert place.region == origin.region
        assert (place.x_um, place.y_um) == pytest.approx(((x - 1000) * UM, (y - 1000) * UM), abs=1.0)


def test_a_move_is_followed_through_frames_out_of_focus():
    stage = Stage()
    go(stage, 400, 400)
    for x in range(460, 1300, 60):
        assert stage.follow(window(x, 400, sigma=5), UM) == pytest.approx((60 * UM, 0), abs=0.6)
    place = go(stage, 1300, 400)
    assert place.region == 0
    assert place.x_um == pytest.approx(900 * UM, abs=2)


def test_a_resting_stage_has_not_moved_and_a_slow_creep_adds_up():
    stage = Stage()
    go(stage, 400, 400)
    assert stage.follow(window(400, 400), UM) == (0.0, 0.0)
    moved = [stage.follow(window(400 + k, 400), UM) for k in range(1, 30)]
    assert sum(m[0] for m in moved) == pytest.approx(29 * UM, abs=1.5)


def test_a_scale_that_was_mistaken_before_the_first_good_frame_does_no_harm():
    stage = Stage()
    for sigma in (9, 7):
        stage.follow(window(400, 400, sigma), 2 * UM)
    go(stage, 400, 400)
    assert stage.follow(window(460, 400), UM) == pytest.approx((60 * UM, 0), abs=0.6)
    assert stage.locate().x_um == pytest.approx(60 * UM, abs=0.6)


def test_a_jump_starts_a_region_until_the_place_is_recognized():
    stage = Stage()
    home = go(stage, 400, 400)
    there = go(stage, 1700, 1700)
    assert there.region != home.region
    go(stage, 1800, 1700)
    wrong = Place(home.x_um + 300, home.y_um + 10, home.region)
    back = go(stage, 450, 420)
    if back.region != home.region:  # it may be found by the latest fields alone
        assert stage.recognize([wrong]) is None
        back = stage.recognize([wrong, Place(22.0, 10.0, home.region)])
    assert (back.x_um, back.y_um) == pytest.approx((50 * UM, 20 * UM), abs=1)
    assert back.region == home.region


def test_cells_of_a_region_join_the_region_that_it_belongs_to():
    stage = Stage()
    go(stage, 400, 400)
    for k in range(20):  # far from home, and out of the latest fields
        go(stage, 1500 + 20 * k, 1500)
    lost = go(stage, 560, 400)
    assert lost.region == 2
    assert stage.recognize([Place(160 * UM + 3, -2, 0)]).x_um == pytest.approx(160 * UM, abs=1)
    assert go(stage, 640, 440).region == 0


def test_dissimilar_pictures_give_no_displacement():
    here, there = (Picture(window(x, 400).astype(np.float32)[::3, ::3] - 170) for x in (400, 1900))
    assert displacement_near(here, there, 10, 0) is None
    assert displacement_near(here, there, 500, 0) is None
    assert displacement_near(here, here, 2, -1)[:2] == pytest.approx((0, 0), abs=0.1)


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr("edge_all.field.stage._REMEMBERED", 5)
    stage = Stage()
    for k in range(14):
        go(stage, 100 + 150 * (k % 12), 100 + 300 * (k // 12))
    assert len(stage._atlas) == 5
    assert sum(len(places) for places in stage._where.values()) == 5
