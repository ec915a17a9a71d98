"""Cautions about pictures outside the limits of the models."""

from edge_all.cli.output.summary import label_and_kind
from edge_all.domain.picture_limits import TOO_BLURRED, TOO_COARSE, TOO_COARSE_TO_FIND, OutsideLimits
from edge_all.reports.cautions import limit_cautions


def test_a_reason_that_left_no_cell_unlabeled_is_no_caution():
    assert limit_cautions([OutsideLimits(TOO_BLURRED, 0.4, 0.5, cells=0)]) == ()
    assert len(limit_cautions([OutsideLimits(TOO_BLURRED, 0.4, 0.5, cells=2)])) == 1


def test_pictures_too_coarse_to_find_cells_are_a_caution_though_no_cell_was_found():
    assert len(limit_cautions([OutsideLimits(TOO_COARSE_TO_FIND, 0.9, 0.8, cells=0)])) == 1


def test_value_and_limit_are_those_of_the_same_field():
    blurred = OutsideLimits(TOO_BLURRED, 0.29, 0.55, cells=3).joined(OutsideLimits(TOO_BLURRED, 0.36, 0.39))
    assert (blurred.measured, blurred.limit, blurred.cells) == (0.29, 0.55, 3)
    coarse = OutsideLimits(TOO_COARSE, 0.31, 0.3).joined(OutsideLimits(TOO_COARSE, 0.52, 0.3, cells=9))
    assert (coarse.measured, coarse.limit, coarse.cells) == (0.52, 0.3, 0)


def test_a_kind_is_printed_as_words():
    assert label_and_kind("normal", "immature_granulocyte") == "normal immature granulocyte"
