"""How the scores of the engines are computed; the measured values are not tested."""

import pytest

pytest.importorskip("benchmarks.engines")

from benchmarks.engines import slope, steepening

CELLS = (1, 5, 20, 50, 100, 200)


def test_a_straight_line_has_one_slope():
    line = [3 + 0.5 * n for n in CELLS]
    assert slope(CELLS, line) == pytest.approx(0.5)
    assert steepening(CELLS, line) == pytest.approx(1.0)


def test_a_step_that_grows_with_the_square_is_seen():
    assert steepening(CELLS, [0.001 * n * n for n in CELLS]) > 2
    assert steepening(CELLS, [0.5 * n**0.5 for n in CELLS]) < 1
    assert steepening(CELLS, [0.01 * n**1.3 for n in CELLS]) > 1.3
    assert steepening(CELLS, [1.0, 1.001, 0.999, 1.0, 1.001, 1.003]) == 1.0, "noise is no slope"
