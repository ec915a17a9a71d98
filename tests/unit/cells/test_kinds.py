"""Decisions from the probabilities of kinds, and the classifier that makes them."""

import json
from collections import Counter
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_all.cells.classifier import CellClassifier
from edge_all.cells.kinds import classifications, decide_kind, decide_kinds, fused, to_model_kinds
from edge_all.cells.tracking.view_fusion import SharpViews
from edge_all.domain.labels import KINDS, LABELS, MODEL_KINDS, Label
from edge_all.domain.types import ModelIdentity, Thresholds
from edge_all.errors import ModelError, UsageError
from edge_all.inference.contract import METADATA_KEY, read_contract
from edge_all.inference.loader import load_engine, load_file
from tests.helpers.kinds_model import FEATURES, SIDE, THRESHOLDS, features_of, some_weights, write_kinds_classifier

T = Thresholds(0.6, 0.2, 1.0, kind=0.5)
MODEL = ModelIdentity("m", "1", "f" * 64)


def vector(**given):
    """The probabilities of these kinds; the rest is spread over all ten."""
    p = np.full(len(MODEL_KINDS), (1 - sum(given.values())) / len(MODEL_KINDS))
    for kind, value in given.items():
        p[MODEL_KINDS.index(kind)] += value
    return p


def test_the_classes_are_the_kinds_and_the_labels_without_kinds():
    kinds = {row.key for row in KINDS.by_model}
    labels = {row.key for row in LABELS.by_model if not KINDS.of(row.key)} - {Label.UNIDENTIFIED}
    assert set(MODEL_KINDS) == kinds | labels
    assert not kinds & labels
    assert len(MODEL_KINDS) == 10


@pytest.mark.parametrize(
    ("given", "label", "kind"),
    [
        ({"blast": 1.0}, "blast", "blast"),
        ({"blast": 0.61, "lymphocyte": 0.39}, "blast", "blast"),
        ({"blast": 0.59, "lymphocyte": 0.41}, "unidentified", ""),
        ({"blast": 0.21, "lymphocyte": 0.79}, "unidentified", ""),
        ({"blast": 0.19, "lymphocyte": 0.81}, "normal", "lymphocyte"),
        ({"monocyte": 0.6, "lymphocyte": 0.4}, "normal", "monocyte"),
        ({"monocyte": 0.45, "lymphocyte": 0.3, "neutrophil": 0.25}, "normal", ""),
        ({"immature_granulocyte": 1.0}, "normal", "immature_granulocyte"),
        ({"erythroblast": 0.5, "lymphocyte": 0.3, "monocyte": 0.2}, "erythroblast", "erythroblast"),
        ({"smudge": 0.55, "blast": 0.45}, "smudge", "smudge"),
        ({"artifact": 0.55, "blast": 0.45}, "artifact", "artifact"),
        # Neither group alone outweighs the nucleated cells, so a possible blast is not thrown out.
        ({"artifact": 0.32, "smudge": 0.32, "blast": 0.36}, "blast", "blast"),
        # The likeliest class is smudge, but the nucleated kinds together are likelier by far.
        ({"smudge": 0.34, "neutrophil": 0.35, "eosinophil": 0.31}, "normal", "neutrophil"),
        # The nucleated kinds together are somewhat likelier: enough for a blast, too little for another cell.
        ({"smudge": 0.4, "neutrophil": 0.35, "eosinophil": 0.25}, "smudge", "smudge"),
        ({"smudge": 0.4, "blast": 0.25, "neutrophil": 0.35}, "unidentified", ""),
        # A monocyte counts less against a blast than other cells do.
        ({"blast": 0.32, "monocyte": 0.68}, "blast", "blast"),
        ({"blast": 0.32, "lymphocyte": 0.68}, "unidentified", ""),
    ],
)
def test_the_group_decides_first_then_the_blast_then_the_kind(given, label, kind):
    found = decide_kind(vector(**given), T)
    assert (found[0], found[1]) == (label, kind)
    assert found[0] is Label(label), "the object of the table"


def test_a_blast_probability_is_among_the_nucleated_kinds():
    assert decide_kind(vector(blast=0.1, lymphocyte=0.3, smudge=0.6), T)[2] == pytest.approx(0.25)
    assert decide_kind(vector(smudge=1.0), T)[2] == 0.0


def test_unfamiliarity_is_the_entropy_and_changes_no_label():
    assert decide_kind(vector(neutrophil=1.0), T)[3] == pytest.approx(0)
    assert decide_kind(vector(), Thresholds(0.6, 0.2, 0.5))[3] == pytest.approx(1)
    assert decide_kind(vector(), Thresholds(0.6, 0.2, 0.5))[0] is decide_kind(vector(), Thresholds(0.6, 0.2, 1.0))[0]


@given(st.lists(st.lists(st.floats(0, 1), min_size=10, max_size=10).filter(lambda p: sum(p) > 1e-3), min_size=1))
def test_many_at_once_are_decided_like_each_alone(rows):
    p = np.array(rows)
    p /= p.sum(1, keepdims=True)
    together = decide_kinds(p, T)
    for i, row in enumerate(p):
        assert decide_kind(row, T) == (
            together.label[i], together.kind[i], together.blast_probability[i], together.unfamiliarity[i],
        )  # fmt: skip
    for label, kind in zip(together.label, together.kind, strict=True):
        assert label.info.by_model
        assert kind == label or (label is Label.NORMAL and (kind == "" or kind in KINDS)) or label.info.is_finding


def test_several_views_are_their_median_with_sum_one():
    odd = vector(blast=1.0)
    same = [vector(lymphocyte=0.9), vector(lymphocyte=0.8), odd]
    (middle,) = fused(same)
    assert middle.sum() == pytest.approx(1)
    assert decide_kind(middle, T)[:2] == ("normal", "lymphocyte")


# -- the classifier ------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    return tmp_path / "classifier" / "float.onnx"


def crops(count=40):
    colors = np.random.default_rng(3).integers(60, 250, (count, 1, 1, 3))
    return np.broadcast_to(colors, (count, SIDE, SIDE, 3)).astype(np.uint8)


def test_a_model_of_kinds_gives_kinds_and_features(file):
    write_kinds_classifier(file)
    classifier = CellClassifier(load_file(file, "classifier"))
    images = crops()
    found, features = classifier.classify_with_features(list(images))
    assert found == classifier.classify(list(images))
    power = np.exp(features_of(images) @ some_weights())
    wanted = power / power.sum(1, keepdims=True)
    assert [c.kinds for c in found] == [pytest.approx(row, abs=1e-5) for row in wanted]
    assert len({c.label for c in found}) > 3, "or the test proves little"
    for c in found:
        assert (c.label, c.kind, c.blast_probability, c.unfamiliarity) == decide_kind(c.kinds, classifier.thresholds)
        assert c.reason == ""
    stored = np.frombuffer(b"".join(f for f in features if f), "<f2").reshape(len(images), -1)
    assert stored[:, :FEATURES] == pytest.approx(features_of(images), abs=0.01)
    assert np.exp(stored[:, FEATURES:].astype(float)) == pytest.approx(wanted, abs=0.005)
    assert classifier.thresholds == Thresholds(0.6, 0.2, 1.0, kind=0.5)


def test_the_columns_of_a_file_may_have_any_order(file, tmp_path):
    write_kinds_classifier(file)
    turned = tmp_path / "turned" / "float.onnx"
    write_kinds_classifier(turned, columns=MODEL_KINDS[::-1])
    images = list(crops())
    one, other = (CellClassifier(load_file(f, "classifier")).classify(images) for f in (file, turned))
    assert [(c.label, c.kind) for c in one] == [(c.label, c.kind) for c in other]
    assert to_model_kinds(np.arange(10), MODEL_KINDS[::-1])[0].tolist() == list(range(9, -1, -1))


def test_cells_that_may_not_be_labeled_are_unidentified_with_the_reason(file):
    write_kinds_classifier(file, always="blast")
    classifier = CellClassifier(load_file(file, "classifier"))
    for c in classifier.classify(list(crops(3)), reason="too coarse"):
        assert (c.label, c.kind, c.reason) == (Label.UNIDENTIFIED, "", "too coarse")
        assert c.blast_probability > 0.9
    views = SharpViews()
    for k in range(4):
        now = views.add(1, 1.0 + k / 100, True, classifier.classify(list(crops(1)), reason="too coarse")[0])
        assert (now.label, now.reason, views.newest(1)) == (Label.UNIDENTIFIED, "too coarse", now)


def test_a_blast_threshold_replaces_the_one_of_the_file(file):
    write_kinds_classifier(file)
    engine = load_file(file, "classifier")
    assert CellClassifier(engine, 0.9).thresholds == Thresholds(0.9, 0.2, 1.0, kind=0.5)
    with pytest.raises(UsageError, match=r"outside 0\.2 to 1"):
        CellClassifier(engine, 0.1)


def test_a_probability_that_is_not_a_number_is_an_error(file):
    write_kinds_classifier(file, some_weights() * np.float32(np.nan), self_check=False)
    with pytest.raises(ModelError, match="not a number"):
        CellClassifier(load_file(file, "classifier")).classify(list(crops(1)))


def test_the_self_check_compares_the_kinds_and_not_the_features(file):
    write_kinds_classifier(file)  # its self-check holds features of another scale
    load_engine(file.parent, "classifier").engine.close()
    data = file.read_bytes()
    write_kinds_classifier(file, -some_weights())
    other = file.read_bytes()
    weights, wrong = some_weights().tobytes(), (-some_weights()).tobytes()
    assert data.count(weights) == other.count(wrong) == 1
    file.write_bytes(data.replace(weights, wrong))
    with pytest.raises(ModelError, match=r"different results here .*kinds differs"):
        load_engine(file.parent, "classifier")


def contract(file, thresholds=None, outputs=None, **extra):
    values = json.loads(write_kinds_classifier(file).to_json())
    values["thresholds"] = dict(THRESHOLDS) if thresholds is None else thresholds
    values["outputs"] = outputs or values["outputs"]
    values["extra"].update(extra)
    return {METADATA_KEY: json.dumps(values)}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"thresholds": {"blast": 0.6, "normal": 0.2}}, "the threshold kind is missing"),
        ({"thresholds": {"blast": 0.6, "normal": 0.2, "kind": 2}}, "the threshold kind is outside 0 to 1"),
        ({"thresholds": {"blast": 0.1, "normal": 0.2, "kind": 0.5}}, "normal is above the threshold blast"),
        ({"outputs": ["features", "kinds"]}, "its outputs are features, kinds"),
        ({"outputs": ["kinds"]}, "its outputs are kinds; expected kinds, features"),
        ({"kinds": [*MODEL_KINDS[1:], "platelet"]}, "its kinds are not blast, lymphocyte"),
        ({"kinds": MODEL_KINDS[1:]}, "its kinds are not"),
        ({"kinds": None}, "cannot be read"),
        ({"temperature": 0}, "temperature is 0, which is not above 0"),
        ({"coarsest_um_per_px": -1}, "coarsest_um_per_px is -1"),
        ({"coarsest_um_per_px": "fine"}, "cannot be read"),
    ],
)
def test_a_contract_that_a_device_cannot_use_is_refused_in_one_line(file, changes, says):
    with pytest.raises(ModelError, match=says) as error:
        read_contract(contract(file, **changes), "f.onnx", "classifier")
    assert "\n" not in str(error.value)
    assert error.value.message.startswith("the contract in f.onnx cannot be read (")


def test_a_contract_of_kinds_is_read_back(file):
    found = read_contract(contract(file, coarsest_um_per_px=0.3), "f", "classifier")
    assert (found.gives_kinds, found.kinds, found.coarsest_um_per_px) == (True, MODEL_KINDS, 0.3)
    assert read_contract(contract(file), "f", "classifier").coarsest_um_per_px is None


def test_views_are_fused_by_kind_and_kept():
    def classified(**given):
        return classifications(np.asarray([vector(**given)], np.float32), T, MODEL, "e", calibration="c1")[0]

    views = SharpViews()
    first = views.add(7, 1.0, True, classified(blast=0.9))
    assert (first.label, first.kind) == ("blast", "blast")
    views.add(7, 1.05, True, classified(monocyte=0.9))
    now = views.add(7, 1.02, True, classified(monocyte=0.7, lymphocyte=0.3))
    assert (now.label, now.kind, now.calibration) == (Label.NORMAL, "monocyte", "c1")
    assert sum(now.kinds) == pytest.approx(1)
    assert views.newest(7) == now
    assert decide_kind(now.kinds, T)[:2] == (now.label, now.kind), "the label follows from what is kept"


def test_classes_of_colors_differ():
    """The helper's random model does not give the same class for every color, which the other tests rely on."""
    p = np.exp(features_of(crops(200)) @ some_weights())
    found = decide_kinds(p / p.sum(1, keepdims=True), T)
    assert len(Counter(found.label)) >= 4


def test_a_comparison_counts_a_kind_that_differs(tmp_path, monkeypatch):
    from edge_all.bench import compare
    from edge_all.inference.loader import EngineOptions, LoadedModel

    weights = some_weights()
    other = weights.copy()
    other[:, MODEL_KINDS.index("monocyte")] = weights[:, MODEL_KINDS.index("lymphocyte")]
    other[:, MODEL_KINDS.index("lymphocyte")] = weights[:, MODEL_KINDS.index("monocyte")]
    files = [tmp_path / name / "float.onnx" for name in ("one", "other")]
    for path, values in zip(files, (weights, other), strict=True):
        write_kinds_classifier(path, values)
    images = list(crops(64))
    one, two = (CellClassifier(load_file(path, "classifier")).classify(images) for path in files)
    wanted = np.mean([(a.label, a.kind) == (b.label, b.kind) for a, b in zip(one, two, strict=True)])
    assert any(a.label == b.label and a.kind != b.kind for a, b in zip(one, two, strict=True))
    loaded = iter(files)
    monkeypatch.setattr(compare, "load_engine", lambda *_: LoadedModel(load_file(next(loaded), "classifier")))
    options = EngineOptions("onnxruntime-cpu")
    found = compare.versus("classifier", options, options, tmp_path, images, 8, 100)
    assert found.agreement == pytest.approx(float(wanted))
    largest = max(abs(x - y) for a, b in zip(one, two, strict=True) for x, y in zip(a.kinds, b.kinds, strict=True))
    assert found.largest_difference == pytest.approx(largest, abs=1e-4), "of the probabilities, not of the features"


def test_an_occlusion_map_is_of_the_blast_probability(file):
    from edge_all.review.saliency import occlusion

    write_kinds_classifier(file)
    engine = load_file(file, "classifier")
    crop = crops(1)[0].copy()
    crop[40:100, 40:100] = (90, 40, 120)
    (classification,) = CellClassifier(engine).classify([crop])
    assert occlusion(engine, crop).blast_probability == pytest.approx(classification.blast_probability, abs=1e-5)


def test_an_engine_with_other_outputs_does_not_take_over(file, tmp_path, caplog):
    from edge_all.inference.hot_swap import HotSwapEngine

    write_kinds_classifier(file)
    turned = tmp_path / "turned" / "float.onnx"
    write_kinds_classifier(turned, columns=MODEL_KINDS[::-1])
    for path, better in ((file, True), (turned, False)):
        with caplog.at_level("INFO"):
            engine = HotSwapEngine(load_file(file, "classifier"), partial(load_file, path, "classifier"), {})
            engine.wait()
            CellClassifier(engine).classify(list(crops(2)))
            engine.close()
        assert ("is now in use" in caplog.text) is better
        assert ("has other outputs" in caplog.text) is not better
        caplog.clear()
