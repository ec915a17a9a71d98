"""A classifier adapted to the cells of a bench: its probabilities, what it records, and the file it is bound to."""

import numpy as np
import pytest

from edge_all.calibration.cells import CellAdaptation, unpack_evidence
from edge_all.cells.classifier import CellClassifier
from edge_all.domain.labels import MODEL_KINDS
from edge_all.inference.loader import load_file
from tests.helpers.kinds_model import FEATURES, SIDE, features_of, write_kinds_classifier


@pytest.fixture
def classifier(tmp_path):
    write_kinds_classifier(tmp_path / "float.onnx")
    return CellClassifier(load_file(tmp_path / "float.onnx", "classifier"))


def crops(count=24):
    colors = np.random.default_rng(3).integers(60, 250, (count, 1, 1, 3))
    return list(np.broadcast_to(colors, (count, SIDE, SIDE, 3)).astype(np.uint8))


def adaptation(*models, bias=None, scale=1.0, size=0.0):
    weights = size * np.random.default_rng(5).normal(0, 1, (FEATURES, len(MODEL_KINDS)))
    bias = np.zeros(len(MODEL_KINDS)) if bias is None else bias
    return CellAdaptation(
        0.0, models, "kinds 1", MODEL_KINDS, weights.astype("float32"), bias.astype("float32"), scale, 0.01, 100, 3, ""
    )


def test_an_adaptation_changes_the_label_and_names_itself(classifier):
    before = classifier.classify(crops())
    assert {c.calibration for c in before} == {""}
    toward_monocytes = adaptation(
        classifier.identity.sha256, bias=np.where(np.array(MODEL_KINDS) == "monocyte", 20.0, 0.0)
    )
    classifier.use(toward_monocytes)
    after = classifier.classify(crops())
    assert {c.calibration for c in after} == {toward_monocytes.id}
    assert {(c.label, c.kind) for c in after} == {("normal", "monocyte")}
    classifier.use(None)
    assert classifier.classify(crops()) == before


def test_the_last_layer_is_changed_as_the_formula_says(classifier):
    before = np.array([c.kinds for c in classifier.classify(crops())])
    changed = adaptation(classifier.identity.sha256, scale=0.7, size=0.3)
    classifier.use(changed)
    power = np.maximum(before, 1e-6) ** 0.7 * np.exp(features_of(np.stack(crops())) @ changed.weights)
    after = np.array([c.kinds for c in classifier.classify(crops())])
    assert after == pytest.approx(power / power.sum(1, keepdims=True), abs=1e-4)


def test_an_adaptation_for_another_file_is_not_applied(classifier):
    before = classifier.classify(crops())
    classifier.use(adaptation("00" * 32, size=1.0))
    assert classifier.classify(crops()) == before


def test_the_record_gets_the_probabilities_before_the_adaptation(classifier):
    shipped = np.array([c.kinds for c in classifier.classify(crops())])
    classifier.use(adaptation(classifier.identity.sha256, size=1.0))
    adapted, evidence = classifier.classify_with_features(crops())
    assert np.abs(np.array([c.kinds for c in adapted]) - shipped).max() > 0.2, "or the test proves little"
    read = [unpack_evidence(np.frombuffer(e, "<f2"), len(MODEL_KINDS)) for e in evidence if e is not None]
    assert np.exp([log_p for _, log_p in read]) == pytest.approx(shipped, abs=0.005)
    assert np.array([f for f, _ in read]) == pytest.approx(features_of(np.stack(crops())), abs=0.01)
