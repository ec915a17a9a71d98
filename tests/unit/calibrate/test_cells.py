"""The classifier of kinds adapted to reviewed cells of one bench, on synthetic cells."""

import numpy as np
import pytest

from edge_all.calibrate.cell_errors import Compared, effect_in_words, reason_to_refuse
from edge_all.calibrate.cell_fit import TaughtCells, fit_change
from edge_all.calibrate.cells import Network, adapt, allowed_kinds
from edge_all.calibration.cells import ReviewedCell, softmax
from edge_all.cells.kinds import decide_kind
from edge_all.domain.labels import MODEL_KINDS, Label
from edge_all.domain.types import ModelIdentity, Thresholds
from edge_all.errors import CalibrationError

THRESHOLDS = Thresholds(0.5, 0.2, 1.0, 0.5)
NETWORK = Network(MODEL_KINDS, ("aa", "bb"), "kinds 1", lambda p: decide_kind(p.tolist(), THRESHOLDS)[:2])
SEEN = ("blast", "lymphocyte", "monocyte", "neutrophil", "smudge")
FEATURES = 40
_HEAD = np.random.default_rng(7).normal(0, 1, (FEATURES, len(MODEL_KINDS)))


def bench(seed, smears=3, cells=34, shift=1.0, wrong_kinds=False):
    """Reviewed cells of a bench whose features are shifted, so that the network as shipped errs."""
    rng = np.random.default_rng(seed)
    moved = shift * np.random.default_rng(99).normal(0, 1, FEATURES)
    reviewed = []
    for smear in range(smears):
        own = 0.3 * rng.normal(0, 1, FEATURES)
        for number in range(cells):
            kind = SEEN[number % len(SEEN)]
            column = MODEL_KINDS.index(kind)
            features = _HEAD[:, column] * 0.35 + 0.45 * rng.normal(0, 1, FEATURES) + moved + own
            logits = features @ _HEAD / 4
            named = SEEN[rng.integers(len(SEEN))] if wrong_kinds else kind
            label, of_normal = (named, "") if named in ("blast", "smudge") else ("normal", named)
            reviewed.append(
                ReviewedCell(f"smear {smear}", label, of_normal, logits - np.logaddexp.reduce(logits), features)
            )
    return reviewed


def share_right(cells, probabilities):
    named = [decide_kind(p, THRESHOLDS)[:2] for p in probabilities]
    return np.mean([n[0] == c.label and c.kind in ("", n[1]) for c, n in zip(cells, named, strict=True)])


def test_a_shifted_bench_is_corrected_on_smears_it_never_saw():
    adaptation = adapt(bench(1), NETWORK)
    others = bench(2, smears=6)
    shipped = softmax(np.array([c.log_probabilities for c in others]))
    adapted = adaptation.apply(shipped, np.array([c.features for c in others]))
    assert adapted.sum(1) == pytest.approx(1, abs=1e-5)
    assert share_right(others, shipped) < 0.75
    assert share_right(others, adapted) > share_right(others, shipped) + 0.15
    assert (adaptation.cells, adaptation.smears) == (102, 3)
    assert "on smears held out" in adaptation.effect
    assert "\n" not in adaptation.effect


def test_equal_cells_give_the_same_adaptation():
    first, second = adapt(bench(1), NETWORK), adapt(bench(1), NETWORK)
    assert first.id == second.id
    assert len(first.id) == 8
    assert first.id != adapt(bench(3), NETWORK).id


def test_it_is_bound_to_the_files_of_its_network():
    adaptation = adapt(bench(1), NETWORK)
    assert adaptation.fits(ModelIdentity("kinds", "1", "bb"))
    assert not adaptation.fits(ModelIdentity("kinds", "1", "cc"))


def test_verdicts_that_mislead_are_refused_on_smears_held_out():
    with pytest.raises(CalibrationError, match="on smears held out") as refused:
        adapt(bench(1, shift=0.0, wrong_kinds=True), NETWORK)
    assert "nothing was changed" in str(refused.value)


def test_a_bench_without_errors_is_left_as_it_is():
    with pytest.raises(CalibrationError, match="would not help enough"):
        adapt([ReviewedCell(c.smear, c.label, c.kind, _sure(c), c.features) for c in bench(1)], NETWORK)


def _sure(cell):
    logits = np.full(len(MODEL_KINDS), -8.0)
    logits[MODEL_KINDS.index(cell.kind or cell.label)] = 0.0
    return logits - np.logaddexp.reduce(logits)


def test_a_verdict_allows_the_kinds_that_it_leaves_open():
    def named(label, kind=""):
        return [k for k, a in zip(MODEL_KINDS, allowed_kinds(MODEL_KINDS, label, kind), strict=True) if a]

    assert named("normal", "monocyte") == ["monocyte"]
    normal = ["lymphocyte", "monocyte", "neutrophil", "eosinophil", "basophil", "immature_granulocyte"]
    assert named("normal") == normal
    assert named("normal", "other") == normal
    assert named("blast") == ["blast"]
    assert named("erythroblast") == ["erythroblast"]
    assert named("unidentified") == []


def test_normal_without_a_kind_teaches_against_blasts_only():
    cells = bench(1)
    smears = np.array([int(c.smear[-1]) for c in cells])
    log_p = np.array([c.log_probabilities for c in cells])
    features = np.array([c.features for c in cells])
    allowed = np.array([allowed_kinds(MODEL_KINDS, c.label, "") for c in cells])
    fitted = softmax(
        fit_change(TaughtCells(log_p, features, allowed, smears), 0.01).logits(
            TaughtCells(*(log_p, features, allowed, smears))
        )
    )
    normal = np.array([c.label == "normal" for c in cells])
    shipped = softmax(log_p)
    assert fitted[normal, 0].mean() < shipped[normal, 0].mean()
    assert fitted[~normal & allowed[:, 0], 0].mean() > shipped[~normal & allowed[:, 0], 0].mean()


def test_every_smear_weighs_the_same():
    smear = np.array([0] * 30 + [1] * 3)
    weights = TaughtCells(np.zeros((33, 10)), np.zeros((33, 2)), np.ones((33, 10), bool), smear).weights
    assert weights.sum() == pytest.approx(1)
    assert weights[smear == 1].sum() == pytest.approx(0.5)


def test_a_strong_ridge_leaves_the_network_as_shipped():
    cells = bench(1)
    taught = TaughtCells(
        np.array([c.log_probabilities for c in cells]),
        np.array([c.features for c in cells]),
        np.array([allowed_kinds(MODEL_KINDS, c.label, c.kind) for c in cells]),
        np.array([int(c.smear[-1]) for c in cells]),
    )
    weak, strong = fit_change(taught, 1e-3), fit_change(taught, 1e3)
    assert np.abs(strong.weights).max() < 1e-3 < np.abs(weak.weights).max()


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([], "0 cells of 0 smears"),
        (bench(1, smears=2), "of 2 smears"),
        (bench(1, cells=10), "30 cells of 3 smears"),
        ([c for c in bench(1) if c.label != "blast"], "too few blasts: 0"),
        ([c for c in bench(1, cells=150) if c.label == "blast"], "too few cells other than blasts"),
        ([c for c in bench(1) if c.label != "blast" or c.smear == "smear 0"] * 2, "too few blasts: 14 of 1 smear"),
    ],
)
def test_too_little_to_learn_from_is_refused(cells, message):
    with pytest.raises(CalibrationError, match=message):
        adapt(cells, NETWORK)


def test_verdict_unidentified_counts_as_none():
    cells = bench(1, cells=10)
    more = [ReviewedCell(c.smear, "unidentified", "", c.log_probabilities, c.features) for c in cells]
    with pytest.raises(CalibrationError, match="30 cells of 3 smears"):
        adapt(cells + more * 3, NETWORK)


def compared(verdict, before, after, times=1):
    return [Compared(verdict, before, after)] * times


BLAST, LYMPHOCYTE = (str(Label.BLAST), ""), ("normal", "lymphocyte")
UNIDENTIFIED = ("unidentified", "")


def test_one_more_missed_blast_refuses_whatever_else_gets_better():
    cells = compared(BLAST, BLAST, LYMPHOCYTE) + compared(LYMPHOCYTE, BLAST, LYMPHOCYTE, 50)
    assert reason_to_refuse(cells) == "it would miss 1 of 1 blasts, not 0"
    assert reason_to_refuse(cells[1:]) is None


def test_a_missed_blast_costs_more_than_another_cell_called_blast():
    missed = compared(BLAST, LYMPHOCYTE, BLAST)
    assert reason_to_refuse(missed + compared(LYMPHOCYTE, LYMPHOCYTE, BLAST)) is None
    assert "2 others called blast" in str(reason_to_refuse(missed + compared(LYMPHOCYTE, LYMPHOCYTE, BLAST, 2)))


def test_an_adaptation_that_calls_everything_unidentified_is_refused():
    cells = compared(BLAST, LYMPHOCYTE, UNIDENTIFIED, 10) + compared(LYMPHOCYTE, LYMPHOCYTE, UNIDENTIFIED, 10)
    assert "20 of 20 cells with a wrong label or kind, 10 before" in str(reason_to_refuse(cells))


def test_fewer_errors_by_less_than_a_tenth_are_not_enough():
    errors = compared(LYMPHOCYTE, UNIDENTIFIED, UNIDENTIFIED, 19)
    assert "20 before" in str(reason_to_refuse(errors + compared(LYMPHOCYTE, UNIDENTIFIED, LYMPHOCYTE)))
    assert reason_to_refuse(errors + compared(LYMPHOCYTE, UNIDENTIFIED, LYMPHOCYTE, 3)) is None


def test_the_effect_names_the_confusion_that_fell_most():
    cells = (
        compared(LYMPHOCYTE, ("blast", "blast"), LYMPHOCYTE, 3)
        + compared(LYMPHOCYTE, LYMPHOCYTE, LYMPHOCYTE, 96)
        + compared(LYMPHOCYTE, ("blast", "blast"), ("blast", "blast"))
        + compared(BLAST, ("blast", "blast"), ("blast", "blast"), 20)
    )
    assert effect_in_words(cells) == (
        "lymphocytes called blast 4 % -> 1 %, wrong label or kind 3 % -> 1 %, blasts missed 0 % -> 0 %, "
        "on smears held out"
    )
