"""Measurement of the resolution and blur at which the networks stop working."""

import numpy as np
import pytest
from edge_all_export.data.simulated import load
from edge_all_export.evaluate.coarse import MOST_WORSE, MOST_WORSE_FINDER, last_within
from edge_all_export.evaluate.degraded import Degrading, chosen_fields, degraded

from edge_all.field.overview import overview
from edge_all.field.sharpness import measure_edge_blur


@pytest.fixture(scope="module")
def field():
    return next(iter(load(range(3, 4), 1)))


def test_coarser_pixels_keep_cells_in_place_and_light(field):
    image = field.read()
    coarse, small = degraded(field, image, Degrading(um_per_px=0.4))
    assert small.shape[:2] == (180, 320)
    assert coarse.um_per_px == pytest.approx(0.4)
    assert small.mean() == pytest.approx(image.mean(), abs=0.5)
    for before, after in zip(field.objects, coarse.objects, strict=True):
        x, y = before.x_px * field.um_per_px, before.y_px * field.um_per_px
        assert (after.x_px * 0.4, after.y_px * 0.4) == pytest.approx((x, y), abs=0.2)
        assert after.radius_px * 0.4 == pytest.approx(before.radius_px * field.um_per_px)


def test_a_finer_step_than_the_picture_leaves_it_as_taken(field):
    image = field.read()
    same, picture = degraded(field, image, Degrading(um_per_px=0.05))
    assert same is field
    assert picture is image


def test_blur_lowers_the_sharpness_that_the_gate_measures(field):
    def sharpness(blur_um):
        image = degraded(field, field.read(), Degrading(blur_um=blur_um))[1]
        small, um_per_px = overview(image, field.um_per_px)
        return measure_edge_blur(np.ascontiguousarray(small[..., 1]), um_per_px).sharpness

    assert sharpness(0.0) > 0.85 > sharpness(0.35) > sharpness(0.8) > 0.2


def test_the_limit_is_the_last_step_at_which_no_source_got_worse():
    nan = float("nan")
    good = {"AUROC": 0.95, "kinds": 0.8, "unidentified": 0.05, "called blast": 0.01, "found": 0.98}
    table = {
        "one": [good, {**good, "AUROC": 0.94}, {**good, "unidentified": 0.16}, good],
        "two": [{**good, "AUROC": nan}, {**good, "AUROC": nan}, {**good, "AUROC": nan, "found": 0.9}, good],
    }
    assert last_within(table, MOST_WORSE) == 1  # a better figure at a coarser step does not count
    assert last_within(table, MOST_WORSE_FINDER) == 1
    table["two"][1]["kinds"] = 0.7
    assert last_within(table, MOST_WORSE) == 0
    table["two"][1]["kinds"], table["one"][1]["called blast"] = 0.8, 0.05
    assert last_within(table, MOST_WORSE) == 0


def test_each_kind_and_group_has_the_same_number_of_pictures(field):
    chosen = list(chosen_fields([field] * 7, 3))
    assert len(chosen) == 3
