"""make scores PART=models: blasts and kinds on unseen sources and patients, and the cost of the models."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
from edge_all_export.evaluate.kind_predictions import auroc_of, read_predictions
from edge_all_export.models.contracts import SEGMENTED
from edge_all_export.models.thresholds import choose_two_way
from edge_all_export.recipes.recipe import load_recipe
from sklearn.metrics import f1_score

from benchmarks.board import Row, publish
from benchmarks.committed import OUT_OF_FOLD, ready
from benchmarks.int8_speed import speed_rows
from benchmarks.kinds.costs import baseline_row, size_row
from benchmarks.kinds.labels import kind_rows, label_rows
from benchmarks.kinds.ranking import cnmc_rows, ranking_rows
from benchmarks.kinds.simulator import simulator_rows
from benchmarks.kinds.taught import taught_rows
from edge_all.modelstore.shipped import models_folder

COMPARISON = Path(__file__).parent / "comparison" / "comparison.csv"


def subject_rows() -> list[Row]:
    """C-NMC, a fifth of the subjects left out at a time, pooled. A fold's threshold comes from the other folds."""
    with (OUT_OF_FOLD / "segmented_cells.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    fold = np.array([r["fold"] for r in rows])
    logit = np.array([float(r["blast_logit"]) for r in rows])
    unfamiliar = 1 / (1 + np.exp(-np.array([float(r["unfamiliar_logit"]) for r in rows])))
    blast = np.array([r["kind"] == "blast" for r in rows])
    called = np.zeros(len(rows), bool)
    each = []
    for name in sorted(set(fold)):
        own = fold == name
        decision = choose_two_way(logit[~own], unfamiliar[~own], blast[~own])
        called[own] = decision.probability(logit[own]) >= decision.suspect
        each.append((auroc_of(logit[own], blast[own], ~blast[own]),
                     f1_score(blast[own], called[own], average="weighted")))  # fmt: skip
    area, weighted = auroc_of(logit, blast, ~blast), f1_score(blast, called, average="weighted")
    groups = len({r["group"] for r in rows})
    counts = f"{blast.sum()} blasts, {(~blast).sum()} normal, {groups} groups"
    where = f"`cnmc`, subjects left out, pooled, by the pair ({counts})"
    spread = [", ".join(f"{e[i]:.3f}" for e in each) for i in (0, 1)]
    return [
        Row(f"blast or normal, {where}", "AUROC >= 0.93", f"{area:.4f}", f"folds {spread[0]}", area >= 0.93),
        Row(f"weighted F1, {where}", ">= 0.87", f"{weighted:.4f}", f"folds {spread[1]}", weighted >= 0.87),
    ]


def gate_rows() -> list[Row]:
    """Accuracy that the shipped INT8 files lost at the gate."""
    rows = []
    for name in ("detector", "classifier", SEGMENTED):
        report = json.loads((models_folder() / name / "parity.json").read_text())
        int8 = [r for r in report if r["precision"].startswith("int8")]
        results = [
            f"{r['precision']}: " + ", ".join(f"{c['name']} {c['before']:.4f} -> {c['after']:.4f}" for c in r["checks"])
            + (f", {len(r['float_layers'])} layers in float" if r["float_layers"] else "")
            for r in int8
        ]  # fmt: skip
        if not int8:
            rows.append(Row(f"INT8 gate, {name}", "passed", "not passed: no INT8 file is shipped", "", False))
            continue
        passed = len(int8) == 2 and all(r["passed"] and r["checks"] for r in int8)
        missing = sorted({"int8-cpu", "int8-trt"} - {r["precision"] for r in int8})
        words = "passed" if passed else f"no {missing[0]} file is shipped: it did not pass" if missing else "failed"
        rows.append(Row(f"INT8 gate, {name}", "passed", words, "; ".join(results), passed))
    return rows


def comparison_rows() -> list[Row]:
    """Report the committed comparison of architectures; no target, because its budget is that of two CPU cores."""
    from edge_all_export.compare.experiment import read_results

    if not COMPARISON.is_file():
        return [
            Row("comparison of architectures", "ours leads on AUROC at a tenth of the multiply-adds",
                "not completed yet", "", False)
        ]  # fmt: skip
    by_network: dict[tuple[str, bool], dict[str, list[float]]] = {}
    unconverged = set()
    for r in read_results(COMPARISON):
        by_network.setdefault((r.network, r.pretrained), {}).setdefault(r.cells, []).append(r.auroc)
        if r.unconverged:
            unconverged.add((r.network, r.pretrained))
    return [
        Row(
            f"comparison: {network}, {'ImageNet' if pretrained else 'scratch'}",
            "-",
            ", ".join(f"AUROC {cells} {np.mean(v):.3f}" for cells, v in sorted(found.items())),
            "unconverged" if (network, pretrained) in unconverged else "",
            None,
        )
        for (network, pretrained), found in sorted(by_network.items())
    ]


def main() -> int:
    """Measure, print and publish."""
    if not ready(("kinds", "segmented_cells"), "models"):
        return 1
    predictions = read_predictions(OUT_OF_FOLD / "kinds.csv.xz")
    rows = [
        *ranking_rows(predictions),
        *subject_rows(),
        *cnmc_rows(predictions),
        *kind_rows(predictions),
        *label_rows(predictions),
        *taught_rows(predictions, OUT_OF_FOLD / "kinds-features.npz"),
        *simulator_rows(),
        *speed_rows(),
        baseline_row(),
        size_row(),
        *gate_rows(),
        *comparison_rows(),
    ]
    notes = [
        "Left out as a whole: no cell of the source in training; temperature and thresholds come from the other "
        "benches only. The networks of the folds are trained with the recipes in `export/recipes`, one seed each "
        f"({load_recipe('kinds')['seed']}); their logits are in `export/release_data/out_of_fold`; `RETRAIN=1` "
        "regenerates them.",
        "95 %: bootstrap over series, patients or subjects, those with blasts and those without drawn separately; over "
        "cells within their kind where no patients are known, which leaves out how much smears differ.",
        "Normal cells of `allidb1` are those of healthy series. All patients of `deepapl` have leukemia, and its "
        "labels are a laboratory's routine labels.",
        "Kinds right: the kind that the device shows; unidentified and doubtful cells are wrong. Five kinds: "
        "lymphocyte, monocyte, neutrophil, eosinophil, basophil.",
        "The simulator, speed and size are measured with the shipped files. `BASELINE=yolo11n.onnx make scores "
        "PART=models` measures the row about YOLO11n.",
        "The INT8 gate compares each fold's network with its own INT8 form on the groups that it has not seen.",
    ]
    return publish("models", rows, notes)


if __name__ == "__main__":
    sys.exit(main())
