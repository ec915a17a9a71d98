"""Pictures outside the limits of the models: cells are not labeled, and that is stated before every count."""

import json
import re

import pytest

from edge_all.inference.contract import METADATA_KEY
from tests.helpers.kinds_model import models_with_kinds

COARSE = "sim:?seed=5&fields=2&frames_per_field=1&step=1.5&um_per_px=0.3&width=480&height=300&cells=9"
FINE = "sim:?seed=5&fields=2&frames_per_field=1&step=1.5"


def limit_detector(folder, um_per_px):
    """Give the detector of a model set a limit of resolution."""
    import onnx

    for path in (folder / "detector").glob("*.onnx"):
        model = onnx.load(path)
        entry = next(one for one in model.metadata_props if one.key == METADATA_KEY)
        values = json.loads(entry.value)
        values["extra"]["coarsest_um_per_px"] = um_per_px
        entry.value = json.dumps(values, sort_keys=True)
        onnx.save(model, path)


def ran(edge_all, tmp_path, camera, models, *more):
    """Run a session and return what it printed, what show prints and its JSON report."""
    report = tmp_path / "report.json"
    run = edge_all("run", "--camera", camera, "--sample", "S", "--models", models, *more)
    show = edge_all("show", "last")
    reported = edge_all("report", "last", "--format", "json", "--out", report)
    for result in (run, show, reported):
        assert result.exit_code == 0, result.stderr
    return run.stdout, show.stdout, json.loads(report.read_text())


def test_cells_in_coarse_pixels_are_not_labeled_and_it_says_so_first(edge_all, tmp_path):
    models = models_with_kinds(tmp_path / "models", always="blast", coarsest_um_per_px=0.25)
    limit_detector(models, 0.28)
    printed, shown, report = ran(edge_all, tmp_path, COARSE, models, "--um-per-px", "0.3")
    for words in (printed, shown):
        caution = words.index("Caution       The picture is too coarse to label cells: 0.30 um per px")
        finder = words.index("Caution       The picture is too coarse to find all cells: 0.30 um per px")
        assert caution < finder < words.index("Fields   ") < words.index("Leukocytes   ")
        assert "review suggested" not in words
        assert "cells not labeled: picture too coarse" in words
    bundle = edge_all("report", "last", "--format", "fhir", "--out", tmp_path / "bundle.json")
    assert bundle.exit_code == 0, bundle.stderr
    resources = [e["resource"] for e in json.loads((tmp_path / "bundle.json").read_text())["entry"]]
    blasts = next(r for r in resources if "26446-5" in json.dumps(r.get("code", {})))
    assert "dataAbsentReason" in blasts
    assert "valueQuantity" not in blasts
    assert any("not determined" in r.get("conclusion", "") for r in resources)
    table = edge_all("report", "last", "--format", "csv", "--out", tmp_path / "report.csv")
    assert table.exit_code == 0, table.stderr
    assert '"Blasts, not reviewed","not determined, because no cell is labeled"' in (tmp_path / "report.csv").read_text(
        encoding="utf-8-sig"
    )
    listed = edge_all("sessions").stdout.splitlines()[1]
    assert re.search(r" 0  +-  ", listed), "no blast percentage without a labeled cell"
    counts = report["session"]["counts"]
    assert counts["blasts"] == counts["normals"] == 0
    assert counts["unidentified"] > 3
    assert {one["reason"]: one["cells"] for one in counts["outside_limits"]} == {
        "too coarse": counts["unidentified"],
        "too coarse to find cells": 0,
    }
    for differential in (report["differential"]["before"], report["differential"]["after"]):
        assert differential["cautions"][0].startswith("The picture is too coarse to label cells: 0.30 um per px")
        assert not any("No blasts" in caution for caution in differential["cautions"])
    assert "Most suspicious" not in printed


@pytest.mark.parametrize("limit", [0.25, None])
def test_fine_pixels_are_labeled_as_ever(edge_all, tmp_path, limit):
    extra = {} if limit is None else {"coarsest_um_per_px": limit}
    models = models_with_kinds(tmp_path / "models", always="blast", **extra)
    printed, _, report = ran(edge_all, tmp_path, FINE, models)
    assert "Caution" not in printed
    assert "review suggested" in printed
    assert report["session"]["counts"]["blasts"] > 3
    assert report["session"]["counts"]["outside_limits"] == []


def test_cells_in_blurred_fields_are_not_labeled(edge_all, tmp_path):
    models = models_with_kinds(tmp_path / "models", always="lymphocyte", least_sharpness=0.99)
    printed, _, report = ran(edge_all, tmp_path, FINE + "&defocus=0.8", models)
    assert "Caution       The picture is too blurred to label cells: sharpness 0." in printed
    counts = report["session"]["counts"]
    assert counts["normals"] == 0 < counts["unidentified"]
