"""The scoreboard and the thresholds are themselves right."""

import numpy as np
import pytest
from edge_all_export.models.thresholds import FALSE_BLASTS, KEPT_BLASTS, choose_decision

from benchmarks.classified import auroc
from benchmarks.found import match


def test_area_under_the_curve_counts_pairs_in_order():
    rng = np.random.default_rng(0)
    a, b = rng.normal(1, 1, 60).round(1), rng.normal(0, 1, 40).round(1)
    pairs = [(x > y) + 0.5 * (x == y) for x in a for y in b]
    assert auroc(a, b) == pytest.approx(np.mean(pairs))


def test_a_detection_counts_for_one_cell_only_and_a_smudge_for_none():
    two_cells = [(10, 10, 8), (14, 10, 8)]
    assert match([(11, 10, 0.9, False)], two_cells, []) == (1, 0)
    assert match([(11, 10, 0.9, True)], two_cells, []) == (0, 0)
    assert match([(11, 10, 0.9, False), (90, 90, 0.9, False)], two_cells, [(91, 91, 5)]) == (1, 0)
    assert match([(50, 50, 0.9, False)], two_cells, []) == (0, 1)


def test_thresholds_keep_what_they_promise_on_the_cells_they_were_chosen_on():
    rng = np.random.default_rng(1)
    blast = np.arange(500) < 300
    logit = np.where(blast, rng.normal(2, 1.5, 500), rng.normal(-2, 1.5, 500))
    decision = choose_decision(logit, rng.uniform(0, 0.3, 500), blast)
    label = decision.labels(logit, np.zeros(500))
    assert (label[blast] != "normal").mean() >= KEPT_BLASTS
    assert (label[~blast] == "blast").mean() <= FALSE_BLASTS
    assert decision.normal <= decision.blast
    p = decision.probability(logit)
    assert abs(p[blast].mean() - blast[blast].mean()) < 0.2
