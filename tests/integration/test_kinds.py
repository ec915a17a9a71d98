"""With a classifier of kinds, every detection is classified, and the kind is shown wherever a cell is."""

import csv
import io
import json
import re
import shutil
from collections import Counter
from dataclasses import replace

import pytest

from edge_all.domain.labels import KINDS, LABELS, MODEL_KINDS
from edge_all.field.detector import LeukocyteDetector
from edge_all.modelstore.shipped import models_folder
from edge_all.record.db.integrity import find_damage
from edge_all.record.queries import cell_evidence
from edge_all.record.store import Record
from tests.helpers.kinds_model import FEATURES, models_with_kinds

SMEAR = "sim:?seed=77&fields=6&frames_per_field=3&blast_fraction=0.4&cells=6"


def rows(edge_all):
    result = edge_all("cells", "--format", "csv")
    assert result.exit_code == 0, result.stderr
    return list(csv.DictReader(io.StringIO(result.stdout)))


@pytest.fixture
def models(tmp_path):
    return models_with_kinds(tmp_path / "models")


def test_cells_have_kinds_in_every_output(edge_all, models, tmp_path):
    result = edge_all("run", "--camera", SMEAR, "--models", models, "--log-json")
    assert result.exit_code == 0, result.stderr
    findings = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    assert {(f["label"], f["kind"]) for f in findings} <= {("blast", "blast"), ("unidentified", "")}
    assert findings

    found = rows(edge_all)
    labels = Counter(row["label"] for row in found)
    assert {"blast", "normal", "artifact"} <= labels.keys(), "or the test proves little"
    for row in found:
        assert row["blast_probability"] != "", "every detection is classified"
        assert float(row["threshold_kind"]) == 0.5
        if row["label"] == "normal":
            assert row["kind"] == "" or KINDS[row["kind"]].names_a_kind
        else:
            assert row["kind"] == ("" if row["label"] == "unidentified" else row["label"])
    assert len({row["kind"] for row in found if row["label"] == "normal"}) > 2
    assert json.loads(edge_all("cells", "--format", "json").stdout)[0]["kind"] == found[0]["kind"]
    assert re.search(r"label +kind +blast_probability", edge_all("cells").stdout)

    with Record.open(tmp_path / "record") as record:
        session = record.session("last")
        assert find_damage(record.database) is None
        assert session.thresholds.kind == 0.5
        kinds = Counter(row["kind"] for row in found if row["kind"] in KINDS)
        assert {kind: count for kind, count in session.counts.by_kind.items() if count} == kinds
        assert session.counts.by_label == {row.key: labels[row.key] for row in LABELS.by_model}
        assert session.counts == record.counted(session.id) or session.counts.skipped != {}
        evidence = cell_evidence(record, session.id)
        assert len(evidence) == len(found)
        assert all(one.features is not None and len(one.features) == FEATURES + len(MODEL_KINDS) for one in evidence)
    leukocytes = sum(labels[row.key] for row in LABELS.leukocytes)
    assert f"Leukocytes    {leukocytes}:" in edge_all("show", "last").stdout
    assert f"Artifacts     {labels['artifact']}, not counted" in edge_all("show", "last").stdout

    out = tmp_path / "report.json"
    assert edge_all("report", "last", "--models", models, "--out", out).exit_code == 0
    assert {cell["kind"] for cell in json.loads(out.read_text())["gallery"]} == {"blast"}


def test_artifacts_are_recorded_and_not_counted(edge_all, tmp_path):
    models = models_with_kinds(tmp_path / "models", always="artifact")
    result = edge_all("run", "--camera", SMEAR, "--models", models)
    assert result.exit_code == 0, result.stderr
    found = rows(edge_all)
    assert found
    assert {row["label"] for row in found} == {"artifact"}
    assert "Leukocytes    0:" in result.stdout
    assert f"Artifacts     {len(found)}, not counted" in result.stdout
    assert "no leukocyte was found" in result.stdout


def test_the_classifier_decides_on_a_smudge_and_not_the_detector(edge_all, tmp_path, monkeypatch):
    find = LeukocyteDetector.find
    monkeypatch.setattr(LeukocyteDetector, "find", lambda *given: [replace(d, smudge=True) for d in find(*given)])
    without_kinds = tmp_path / "without kinds"
    shutil.copytree(models_folder() / "detector", without_kinds / "detector")
    shutil.copytree(models_folder() / "classifier-segmented", without_kinds / "classifier")
    for pair in (without_kinds, models_with_kinds(tmp_path / "models", always="monocyte")):
        assert edge_all("run", "--camera", SMEAR, "--models", pair).exit_code == 0
        wanted = ("smudge", "", "") if pair == without_kinds else ("normal", "monocyte", "classified")
        named = {(r["label"], r["kind"], r["blast_probability"] and "classified") for r in rows(edge_all)}
        assert named == {wanted}
