"""edge-all evaluate: figures that are right, intervals over subjects, unseen cells only, a page and a JSON."""

import json
from pathlib import Path

import numpy as np
import pytest
from edge_all_export.data.labeled_field import LabeledField
from edge_all_export.evaluate import smears
from edge_all_export.evaluate.classified import Scored
from edge_all_export.evaluate.figures import calibration_error, figures
from sklearn.metrics import f1_score, roc_auc_score

from edge_all.inference.loader import load_file
from edge_all.modelstore.shipped import models_folder
from edge_all.session.stages.analysis import Models


def scored(groups=12, each=120, seed=0, hard=0):
    """Subjects of 120 cells; the last ``hard`` of them are classified by chance."""
    rng = np.random.default_rng(seed)
    group = np.repeat([f"s/{g:02}" for g in range(groups)], each)
    blast = np.repeat(np.arange(groups) % 2 == 0, each)
    logit = np.where(blast, rng.normal(1.5, 1.5, len(group)), rng.normal(-1.5, 1.5, len(group)))
    chance = np.repeat(np.arange(groups) >= groups - hard, each)
    logit[chance] = rng.normal(0, 1.5, chance.sum())
    p = 1 / (1 + np.exp(-logit))
    label = np.where(p > 0.8, "blast", np.where(p < 0.2, "normal", "unidentified"))
    return Scored(p, blast, group, label, p >= 0.4)


def by_name(found):
    return {f.name: f for f in found}


def test_the_figures_are_those_of_scikit_learn():
    s = scored()
    found = by_name(figures(s, seen=False))
    assert found["auroc"].value == pytest.approx(roc_auc_score(s.is_blast, s.probability))
    assert found["weighted_f1"].value == pytest.approx(f1_score(s.is_blast, s.probability >= 0.4, average="weighted"))
    assert found["sensitivity"].value == pytest.approx((s.probability[s.is_blast] >= 0.4).mean())
    assert found["specificity"].value == pytest.approx((s.probability[~s.is_blast] < 0.4).mean())
    assert found["brier"].value == pytest.approx(((s.probability - s.is_blast) ** 2).mean())
    for f in found.values():
        assert f.low <= f.value <= f.high


def test_the_interval_is_over_subjects_not_cells():
    """With two subjects of twelve classified by chance, which subjects one has matters more than how many cells."""
    found = by_name(figures(scored(hard=2), seen=False))["sensitivity"]
    cells = 720
    by_cell = 2 * 1.96 * np.sqrt(found.value * (1 - found.value) / cells)
    assert found.high - found.low > 1.5 * by_cell
    assert "12 groups" in found.how


def test_under_eight_groups_the_range_is_shown():
    found = by_name(figures(scored(groups=6), seen=False))
    assert found["sensitivity"].how == "range over 6 groups"
    s = scored(groups=6)
    own = [(s.probability[s.group == g] >= 0.4).mean() for g in np.unique(s.group[s.is_blast])]
    assert (found["sensitivity"].low, found["sensitivity"].high) == pytest.approx((min(own), max(own)))


@pytest.mark.parametrize(("each", "seen"), [(60, False), (120, True)])
def test_no_calibration_error_on_few_or_seen_cells(each, seen):
    found = by_name(figures(scored(each=each), seen=seen))["calibration_error"]
    assert found.value is None
    assert "1000 unseen cells" in found.how
    assert by_name(figures(scored(each=120), seen=False))["calibration_error"].value is not None


def test_calibration_error_of_a_known_case():
    p = np.array([0.9] * 10 + [0.1] * 10)
    y = np.array([True] * 6 + [False] * 4 + [False] * 10)
    assert calibration_error(p, y, np.ones(20)) == pytest.approx(0.5 * 0.3 + 0.5 * 0.1)


def test_one_class_alone_gives_what_it_can():
    s = scored()
    only = Scored(*(a[s.is_blast] for a in (s.probability, s.is_blast, s.group, s.label, s.suspect)))
    found = by_name(figures(only, seen=False))
    assert found["auroc"].value is None
    assert found["specificity"].value is None
    assert found["sensitivity"].value is not None


@pytest.mark.parametrize("model", [None, "float.onnx", "fp16.onnx", "checkpoint"])
def test_any_form_of_a_model_is_evaluated_by_the_same_code(edge_all, own_cells, tmp_path, model):
    from edge_all_export.models.contracts import CHECKPOINTS

    path = {None: (), "checkpoint": (CHECKPOINTS / "kinds.pt",)}.get(
        model, (models_folder() / "classifier" / str(model),)
    )
    done = edge_all("evaluate", *path, "--data", own_cells, "--out", tmp_path / "e")
    assert done.exit_code == 0, done.stderr
    values = json.loads((tmp_path / "e" / "evaluation.json").read_text())
    assert {"auroc", "weighted_f1", "sensitivity", "specificity"} <= set(list(values)[:4])
    assert all(isinstance(values[k], float) for k in ("auroc", "weighted_f1", "sensitivity", "specificity"))
    assert (values["blasts"], values["normals"]) == (24, 24)
    assert [g["group"] for g in values["groups"]] == [f"own/patient{n}" for n in range(6)]
    page = (tmp_path / "e" / "evaluation.html").read_text()
    assert page.count("<figure>") == 20
    assert "Research use only" in page
    assert "http" not in page


def test_float_and_fp16_are_evaluated_alike(edge_all, own_cells, tmp_path):
    found = []
    for name in ("float", "fp16"):
        edge_all(
            "evaluate", models_folder() / "classifier" / f"{name}.onnx", "--data", own_cells, "--out", tmp_path / name
        )
        found.append(json.loads((tmp_path / name / "evaluation.json").read_text()))
    assert found[0]["models"][0]["sha256"] != found[1]["models"][0]["sha256"]
    assert found[0]["auroc"] == pytest.approx(found[1]["auroc"], abs=0.02)


def test_cells_that_were_trained_on_are_left_out_or_reported(edge_all, tiny_recipe, own_cells, tmp_path):
    assert edge_all("train", tiny_recipe(epochs=1), "--out", tmp_path / "t").exit_code == 0
    edge_all("evaluate", tmp_path / "t", "--data", own_cells, "--out", tmp_path / "e")
    values = json.loads((tmp_path / "e" / "evaluation.json").read_text())
    assert values["left_out_because_seen"] == 32
    assert values["thresholds_chosen"].startswith("Not chosen")
    assert values["blasts"] == values["normals"] == 8
    rows = (own_cells / "cells.csv").read_text().splitlines()
    kept = [r for r in rows if "patient0" not in r and "patient3" not in r]
    (own_cells / "cells.csv").write_text("\n".join(kept) + "\n")
    edge_all("evaluate", tmp_path / "t", "--data", own_cells, "--out", tmp_path / "e2")
    values = json.loads((tmp_path / "e2" / "evaluation.json").read_text())
    assert "not a measure of quality" in values["title"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nothing.onnx",), "model nothing.onnx does not exist"),
        ((models_folder() / "detector" / "float.onnx",), "is a detector"),
    ],
)
def test_a_file_that_is_not_a_classifier_is_refused(edge_all, own_cells, tmp_path, arguments, says):
    done = edge_all("evaluate", *arguments, "--data", own_cells, "--out", tmp_path / "e")
    assert done.exit_code in (1, 2)
    assert says in done.stderr
    assert not (tmp_path / "e").exists()


def test_smears_are_reported_as_run_would(edge_all, real_data, tmp_path):
    """Two fields of one series, through detector and classifier."""
    folder = tmp_path / "allidb1"
    (folder / "images").mkdir(parents=True)
    for name in ("fields.csv", "cells.csv"):
        lines = (real_data / "allidb1" / name).read_text().splitlines()
        files = sorted(
            {line.split(",")[0] for line in (real_data / "allidb1" / "fields.csv").read_text().splitlines()[1:]}
        )
        kept = [line for line in lines[1:] if line.split(",")[0] in files[:2]]
        (folder / name).write_text("\n".join([lines[0], *kept]) + "\n")
    for name in files[:2]:
        (folder / "images" / name).symlink_to(real_data / "allidb1" / "images" / name)
    done = edge_all("evaluate", "--data", folder, "--out", tmp_path / "e")
    assert done.exit_code == 0, done.stderr
    (smear,) = json.loads((tmp_path / "e" / "evaluation.json").read_text())["smears"]
    assert smear["fields"] == 2
    assert len(smear["each"]) == 2
    assert smear["blasts"] + smear["normals"] + smear["unidentified"] > 0
    assert smear["result"]


def test_smears_are_analyzed_with_models_that_name_both_of_their_files(monkeypatch):
    classifier = load_file(models_folder() / "classifier" / "float.onnx", "classifier")
    given: list[Models] = []
    monkeypatch.setattr(smears, "_smear", lambda _name, _fields, models, _advance: given.append(models))
    field = LabeledField("bccd", "bccd", Path("one.png"), 0.1, ())
    smears.smear_results(classifier, [field])
    (models,) = given
    assert [identity.name for identity in models.identities] == ["leukocyte-net", "kinds-net"]
    assert models.engines_in_words
    models.close()
