"""The scoreboard and the thresholds are themselves right."""

import numpy as np
from edge_all_export.models.thresholds import FALSE_BLASTS, KEPT_BLASTS, choose_decision

from benchmarks.counted_once import PlacedCell, compare
from benchmarks.found import match


def test_a_detection_counts_for_one_cell_only_and_a_smudge_for_none():
    two_cells = [(10, 10, 8), (14, 10, 8)]
    assert match([(11, 10, 0.9, False)], two_cells, []) == (1, 0)
    assert match([(11, 10, 0.9, True)], two_cells, []) == (0, 0)
    assert match([(11, 10, 0.9, False), (90, 90, 0.9, False)], two_cells, [(91, 91, 5)]) == (1, 0)
    assert match([(50, 50, 0.9, False)], two_cells, []) == (0, 1)


def test_an_artifact_is_not_counted_but_a_cell_that_is_not_there_is():
    true_cells = {1: (10.0, 10.0, 6.0), 2: (50.0, 10.0, 6.0), 3: (90.0, 10.0, 6.0)}
    platelet = {7: ("platelet", 30.0, 30.0)}
    found = [
        PlacedCell(1, 0, "unidentified", 11, 10),
        PlacedCell(2, 0, "normal", 50, 11),
        PlacedCell(3, 4, "normal", 50, 9),
        PlacedCell(4, 4, "artifact", 30, 31),
        PlacedCell(5, 4, "artifact", 90, 10),
        PlacedCell(6, 4, "smudge", 30, 30),
    ]
    counts = compare(found, true_cells, platelet)
    assert (counts.once, counts.twice, counts.missed) == (1, 1, 1)
    assert (counts.counted, counts.nothing) == (4, 1)
    assert (counts.unidentified, counts.leukocytes) == (1, 3)
    assert counts.details[0] == "cell 3 again at frame 4"
    assert counts.details[1].startswith("cell 6 at frame 4 is not a cell: platelet")


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
