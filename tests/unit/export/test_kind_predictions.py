"""Figures, temperature and thresholds of the classifier of kinds, on predictions made up for it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from edge_all_export.data.kinds import KINDS, kind_mask
from edge_all_export.evaluate.kind_predictions import (
    KindPredictions,
    auroc,
    decide,
    kinds_right,
    labels_of,
    open_predictions,
    read_predictions,
    specificity,
)
from edge_all_export.models.kind_thresholds import KindDecision, choose_temperature
from edge_all_export.release.kinds_table import lines


def _made(seed: int = 0, shift: float = 0.0, sharpness: float = 2.0) -> KindPredictions:
    """Two benches; the logit of a cell's kind is higher by 3, but for noise; cells without a nucleus are plain."""
    rng = np.random.default_rng(seed)
    kinds = np.array(["blast", "lymphocyte", "monocyte", "neutrophil", "smudge", "artifact"] * 60)
    logits = rng.normal(0, 1, (len(kinds), 10))
    logits[np.arange(len(kinds)), [KINDS.index(k) for k in kinds]] += 3
    logits[:, 0] += shift
    nucleated = ~np.isin(kinds, ("smudge", "artifact"))
    logits[nucleated, 8:] -= 4
    logits[~nucleated, 8:] += 3
    source = np.array(["lisc", "deepapl"] * (len(kinds) // 2))
    fold = np.where(source == "lisc", "out-allidb1", "out-deepapl")
    group = np.array([f"P{i % 5}" for i in range(len(kinds))])
    return KindPredictions(fold, source, group, kinds, kinds, sharpness * logits)


def test_figures_of_ranking() -> None:
    made = _made()
    assert 0.95 < auroc(made, made.kind == "lymphocyte") < 1
    assert 0.8 < specificity(made, made.is_normal) < 1
    assert 0.8 < kinds_right(made) < 1
    perfect = KindPredictions(
        made.fold, made.source, made.group, made.kind, made.kind, np.stack([_one_hot(k) for k in made.kind])
    )
    assert auroc(perfect, perfect.is_normal) == 1
    assert kinds_right(perfect) == 1


def _one_hot(kind: str) -> npt.NDArray[np.float64]:
    return 9.0 * np.asarray(kind_mask((kind,)), np.float64)


def test_the_temperature_undoes_too_much_confidence() -> None:
    sharp, plain = _made(sharpness=4.0), _made(sharpness=2.0)
    possible = np.stack([kind_mask((k,)) for k in sharp.kind]).astype(np.float64)
    ratio = choose_temperature(sharp.logits, possible, sharp.source) / choose_temperature(
        plain.logits, possible, plain.source
    )
    assert ratio == pytest.approx(2, rel=0.06)


@pytest.mark.parametrize("shift", [-2.0, 0.0, 2.0])
def test_thresholds_follow_the_level_of_the_blasts_scores(shift: float) -> None:
    made = _made(shift=shift)
    shares = labels_of(made, decide(made))
    assert shares["blasts flagged"] >= 0.94
    assert shares["normal called blast"] <= 0.04
    assert shares["unidentified"] < 0.2


def test_smudges_and_artifacts_are_never_unidentified() -> None:
    logits = np.zeros((2, 10))
    logits[0, KINDS.index("smudge")] = 5
    logits[1, KINDS.index("artifact")] = 5
    assert KindDecision(1.0, 0.5, 0.01).decided(logits).label.tolist() == ["smudge", "artifact"]


def test_a_cell_between_the_thresholds_is_unidentified() -> None:
    logits = np.full((3, 10), -9.0)
    logits[:, KINDS.index("monocyte")] = 0
    logits[:, 0] = (-3, 0, 3)
    decided = KindDecision(1.0, 0.8, 0.2).decided(logits)
    assert decided.label.tolist() == ["normal", "unidentified", "blast"]
    assert decided.kind.tolist() == ["monocyte", "", "blast"]


def test_only_healthy_series_of_allidb1_count_as_normal() -> None:
    series = np.array(["A", "C"])
    kind = np.array(["normal", "normal"])
    made = KindPredictions(series, np.array(["allidb1"] * 2), series, kind, kind, np.zeros((2, 10)))
    assert made.is_normal.tolist() == [False, True]


def test_a_written_file_reads_back_and_makes_a_table(tmp_path: Path) -> None:
    made = _made()
    path = tmp_path / "kinds.csv.xz"
    with open_predictions(path, "wt") as file:
        writer = csv.writer(file)
        writer.writerow(("fold", "source", "group", "name", "kind", "detail", *KINDS))
        for i in range(len(made)):
            words = (made.fold[i], made.source[i], made.group[i], str(i), made.kind[i], made.detail[i])
            writer.writerow((*words, *made.logits[i]))
    read = read_predictions(path)
    np.testing.assert_allclose(read.logits, made.logits)
    table = list(lines(read))
    assert any(line.startswith("| lisc, whole source | 180 | ") for line in table)
    assert any(line.startswith("| deepapl | 0.") for line in table)


def test_the_offset_of_the_eosinophil_is_what_names_most_cells_right() -> None:
    rng = np.random.default_rng(3)
    kinds = np.array(["blast", "neutrophil", "neutrophil", "eosinophil", "lymphocyte", "monocyte"] * 40)
    logits = rng.normal(0, 0.1, (len(kinds), 10))
    logits[np.arange(len(kinds)), [KINDS.index(k) for k in kinds]] += 4
    # On both benches every second neutrophil has the color of an eosinophil.
    orange = np.flatnonzero(kinds == "neutrophil")[::2]
    logits[orange, KINDS.index("eosinophil")] += 4.5
    source = np.repeat(["lisc", "pbc"], len(kinds) // 2)
    made = KindPredictions(source, source, source, kinds, kinds, logits)
    decision = decide(made)
    assert decision.eosinophil < 0
    assert kinds_right(made, decision=decision) > kinds_right(made) + 0.1


def test_every_bench_has_the_same_say_in_the_threshold_of_normal_cells() -> None:
    """A bench with few blasts of a low score lowers the threshold as much as one with many would."""
    made = _made()
    low = KindPredictions(
        made.fold,
        np.full(len(made), "pbc"),
        made.group,
        made.kind,
        made.kind,
        made.logits - 3.0 * _one_hot("blast") / 9,
    ).where(np.arange(len(made)) < 60)
    fold, source, group, kind = (
        np.concatenate([getattr(made, n), getattr(low, n)]) for n in ("fold", "source", "group", "kind")
    )
    both = KindPredictions(fold, source, group, kind, kind, np.concatenate([made.logits, low.logits]))
    assert decide(both).normal < decide(made).normal
    shares = labels_of(low, decide(both))
    assert shares["blasts flagged"] > 0.85
