"""Rows about a bench that learns from reviewed cells."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")
from edge_all_export.evaluate.bench_calibration import Drawn
from edge_all_export.evaluate.kind_predictions import KindPredictions

from benchmarks.kinds.taught import rows_of, taught_rows
from edge_all.calibrate.cell_errors import ErrorCounts


def _drawn(before: tuple[int, int, int], after: tuple[int, int, int], refused: str = "") -> Drawn:
    return Drawn(refused, 0.96, 0.9, ErrorCounts(*before), ErrorCounts(*after))


def test_an_adaptation_that_misses_more_blasts_is_worse_even_if_it_makes_fewer_errors() -> None:
    same = _drawn((5, 5, 90), (5, 5, 90), "too few")
    better, misses_more = _drawn((5, 5, 90), (4, 5, 60)), _drawn((5, 5, 90), (6, 0, 50))
    good = rows_of([same, better, better])
    assert [row.reached for row in good] == [True, True, True]
    assert "1 refused" in good[0].spread
    bad = rows_of([same, better, misses_more])[2]
    assert (bad.value, bad.reached) == ("1 of 3", False)
    assert bad.spread.startswith("1 miss more blasts, 0 make worse errors")


def test_features_of_another_network_are_refused(tmp_path: Path) -> None:
    (tmp_path / "kinds.json").write_text(json.dumps({"recipe_sha256": "a", "data_sha256": "b"}))
    np.savez(tmp_path / "kinds-features.npz", recipe_sha256="other", data_sha256="b")
    none = np.array([], str)
    rows = taught_rows(
        KindPredictions(none, none, none, none, none, np.zeros((0, 10))), tmp_path / "kinds-features.npz"
    )
    assert [(row.value, row.reached) for row in rows] == [("not measured", False)]
