"""Limits of resolution and sharpness outside which cells are not labeled."""

import pytest

from edge_all.domain.picture_limits import TOO_BLURRED, TOO_COARSE, TOO_COARSE_TO_FIND, OutsideLimits, PictureLimits

LIMITS = PictureLimits(cells_um_per_px=0.3, cells_sharpness=0.4, finder_um_per_px=0.5)


@pytest.mark.parametrize(
    ("um_per_px", "sharpness", "reasons"),
    [
        (0.1, 1.0, []),
        (0.3, 0.4, []),  # at the limit is within
        (0.31, 1.0, [TOO_COARSE]),
        (0.1, 0.39, [TOO_BLURRED]),
        (0.6, 0.35, [TOO_COARSE, TOO_COARSE_TO_FIND]),  # not blurred for pixels of this size
        (0.6, 0.2, [TOO_COARSE, TOO_BLURRED, TOO_COARSE_TO_FIND]),
    ],
)
def test_a_field_is_outside_what_it_exceeds(um_per_px, sharpness, reasons):
    assert [one.reason for one in LIMITS.outside(um_per_px, sharpness)] == reasons


def test_models_without_limits_accept_everything():
    assert list(PictureLimits().outside(5.0, 0.0)) == []


def test_the_worst_value_is_kept():
    coarse = OutsideLimits(TOO_COARSE, 0.4, 0.3, 7).joined(OutsideLimits(TOO_COARSE, 0.5, 0.3))
    assert (coarse.measured, coarse.cells) == (0.5, 7)
    assert OutsideLimits(TOO_BLURRED, 0.3, 0.4).joined(OutsideLimits(TOO_BLURRED, 0.35, 0.4)).measured == 0.3
    assert OutsideLimits.of_values(coarse.to_values()) == coarse
