"""The segmentation against experts' masks that it has not learned from."""

import numpy as np
import pytest
from edge_all_export.data.masks import load
from edge_all_export.release.build_segmentation import DETECTIONS

from benchmarks.morphology import CELL_DICE, NUCLEUS_DICE, dices


@pytest.fixture(scope="module")
def masked():
    from tests.helpers.real_data import DATA

    if not (DATA / "allidb1" / "allidb2_masks").is_dir():
        pytest.skip("the real images are not there: EDGE_ALL_DATA names their folder")
    return load(DATA, DETECTIONS)


def test_almost_every_cell_with_a_mask_is_found(masked):
    cells, missed = masked
    assert len(cells) > 500
    assert missed <= 5


@pytest.mark.parametrize("source", ["allidb2", "bccd"])
def test_the_kept_out_half_reaches_the_dice_that_was_asked_for(masked, source):
    unseen = [c for c in masked[0] if c.source == source and not c.tuning][::3]
    assert len(unseen) > 20
    cell, nucleus = np.mean(dices(unseen), axis=0)
    assert cell >= CELL_DICE
    assert nucleus >= NUCLEUS_DICE


def test_tuning_and_kept_out_share_no_series(masked):
    for source, kept_together in (("allidb2", "group"), ("bccd", "name")):
        own = [c for c in masked[0] if c.source == source]
        tuning = {getattr(c, kept_together) for c in own if c.tuning}
        kept = {getattr(c, kept_together) for c in own if not c.tuning}
        assert tuning
        assert kept
        assert not tuning & kept
