"""Figures of the adaptation to a bench, on features of cells that were left out."""

import numpy as np
import pytest
from edge_all_export.data.kinds import KINDS
from edge_all_export.evaluate.bench_calibration import KindFeatures, drawn, read_features
from edge_all_export.evaluate.kind_predictions import KindPredictions
from edge_all_export.models.kind_thresholds import KindDecision
from edge_all_export.release.kind_features import chosen_cells

SEEN = ("blast", "lymphocyte", "monocyte", "neutrophil")
DECISION = KindDecision(1.0, 0.5, 0.2)


def source(patients=7, cells=40, features=30):
    """A source whose shifted features mislead the network as shipped."""
    rng = np.random.default_rng(4)
    head, shift = rng.normal(0, 1, (features, len(KINDS))), rng.normal(0, 1, features)
    kind = np.array([SEEN[i % len(SEEN)] for i in range(patients * cells)])
    group = np.repeat([f"P{i}" for i in range(patients)], cells)
    columns = np.array([KINDS.index(k) for k in kind])
    values = head[:, columns].T * 0.35 + 0.45 * rng.normal(0, 1, (len(kind), features)) + shift
    empty = np.full(len(kind), "")
    predictions = KindPredictions(empty, np.full(len(kind), "a"), group, kind, empty, values @ head / 4)
    return KindFeatures(predictions, values)


def test_a_few_reviewed_smears_help_on_the_other_patients():
    results = list(drawn(source(), DECISION, 2))
    assert [r.refused for r in results] == ["", ""]
    assert all(r.after.cost < 0.7 * r.before.cost for r in results)
    assert all(r.lymphocytes > 0.9 and r.kinds > 0.8 for r in results)
    assert list(drawn(source(), DECISION, 2)) == results


def test_whole_patients_are_chosen_and_at_most_forty_cells_of_each():
    groups = np.repeat(np.array([f"P{i}" for i in range(20)]), 50)
    chosen = chosen_cells(groups, 300)
    assert len(chosen) == 280
    assert set(np.unique(groups[chosen], return_counts=True)[1].tolist()) == {40}
    assert (chosen == chosen_cells(groups, 300)).all()
    assert len(set(chosen.tolist())) == 280


def test_the_file_is_read_back(tmp_path):
    data = source(2, 8, 5)
    p = data.predictions
    np.savez(
        tmp_path / "f.npz",
        fold="out-a", source="a", group=p.group, kind=p.kind, detail=p.detail,
        logits=p.logits.astype(np.float16), features=data.features.astype(np.float16),
    )  # fmt: skip
    found = read_features(tmp_path / "f.npz")
    assert found.features == pytest.approx(data.features, abs=0.01)
    assert found.predictions.kind.tolist() == p.kind.tolist()
    assert set(found.predictions.source.tolist()) == {"a"}
