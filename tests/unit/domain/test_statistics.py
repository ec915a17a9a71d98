"""The statistics of a smear."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_all.domain.picture_limits import TOO_COARSE, OutsideLimits
from edge_all.domain.statistics import blast_percent, result_words, wilson_interval
from edge_all.domain.types import Counts
from tests.helpers.cells import make_counts

TOO_COARSE_40 = OutsideLimits(TOO_COARSE, 0.45, 0.3, 40)


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [
        (0, 200, 0.0, 0.0188),  # few cells is not absence
        (5, 10, 0.2366, 0.7634),
        (1, 10, 0.0179, 0.4042),
        (10, 10, 0.7225, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_wilson_interval_agrees_with_published_values(successes, total, low, high):
    assert wilson_interval(successes, total) == pytest.approx((low, high), abs=2e-4)


@given(st.integers(0, 5000), st.integers(0, 5000))
def test_interval_holds_the_share_and_stays_in_range(a, b):
    successes, total = min(a, b), max(a, b)
    low, high = wilson_interval(successes, total)
    assert 0 <= low <= high <= 1
    if total:
        assert low <= successes / total <= high


def test_impossible_counts_are_refused():
    with pytest.raises(ValueError, match="3 of 2"):
        wilson_interval(3, 2)


def test_smudges_stay_out_of_the_percentage():
    counts = make_counts(blasts=10, normals=80, unidentified=10, smudges=900)
    assert blast_percent(counts)[0] == 10.0


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (make_counts(normals=200), "no blast seen in 200 cells; up to 1.9 % are still possible"),
        (Counts(), "too few cells: no leukocyte was found"),
        (
            make_counts(normals=12),
            "too few cells: 12 of at least 100; no blast seen in 12 cells; up to 24.2 %",
        ),
        (
            make_counts(blasts=3, normals=150, unidentified=2),
            "review suggested: 5 findings in 155 cells (3 blasts, 2",
        ),
        (
            make_counts(blasts=1),
            "review suggested: 1 finding in 1 cell (1 blast, 0 unidentified); too few cells",
        ),
        (make_counts(normals=300, unidentified=1), "review suggested: 1 finding in 301 cells"),
        (
            make_counts(unidentified=40, outside_limits=(TOO_COARSE_40,)),
            "40 of 40 cells not labeled: picture too coarse",
        ),
        (
            make_counts(normals=150, unidentified=41, outside_limits=(TOO_COARSE_40,)),
            "40 of 191 cells not labeled: picture too coarse; "
            "review suggested: 1 finding in 151 cells (0 blasts, 1 unidentified)",
        ),
        (
            make_counts(normals=150, unidentified=40, outside_limits=(TOO_COARSE_40,)),
            "40 of 190 cells not labeled: picture too coarse; no blast seen in 150 cells; up to 2.5 %",
        ),
    ],
)
def test_result_in_words(counts, words):
    assert result_words(counts).startswith(words)
