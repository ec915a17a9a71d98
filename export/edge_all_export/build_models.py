"""make models: trains both shipped networks and writes their files and cards into edge_all/models."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import torch

from edge_all.engines.shipped import models_folder
from edge_all_export.classifier.network import BlastNet
from edge_all_export.data.allidb1 import HEALTHY
from edge_all_export.data.root import data_root
from edge_all_export.data.sets import classifier_cells, detector_fields
from edge_all_export.decision import Decision, choose_decision
from edge_all_export.detector.network import LeukocyteNet
from edge_all_export.detector.training import train_detector
from edge_all_export.model_files import write_classifier, write_detector
from edge_all_export.out_of_fold import train_fold
from edge_all_export.recipe import load_recipe

HOME = Path(__file__).resolve().parents[2]
OUT_OF_FOLD = HOME / "tests" / "scores" / "out_of_fold" / "cells.csv"
SOURCES = ("allidb1", "bccd", "draaslan", "pbc", "simulator")
SERIES_FOLDS = ("out-AC", "out-DG", "out-BE")


def decision_from(folds: tuple[str, ...] = SERIES_FOLDS, path: Path = OUT_OF_FOLD) -> Decision:
    """Calibration and thresholds from cells that the judging network had not seen: expert-labelled blasts and the
    normal cells of healthy series."""
    with path.open(newline="") as file:
        rows = [
            r
            for r in csv.DictReader(file)
            if r["fold"] in folds and (r["kind"] == "blast" or (r["kind"] == "normal" and r["group"] in HEALTHY))
        ]
    logit = np.array([float(r["blast_logit"]) for r in rows])
    unfamiliarity = 1 / (1 + np.exp(-np.array([float(r["unfamiliar_logit"]) for r in rows])))
    return choose_decision(logit, unfamiliarity, np.array([r["kind"] == "blast" for r in rows]))


def main() -> None:
    """Train what is not yet trained in runs/models, then export."""
    root = data_root()
    if root is None:
        sys.exit("the real images are not there: set EDGE_ALL_DATA to their folder")
    torch.set_num_threads(1)
    states = HOME / "runs" / "models"
    states.mkdir(parents=True, exist_ok=True)
    recipe = load_recipe("detector")
    detector, path = LeukocyteNet(), states / "detector.pt"
    if path.exists():
        detector.load_state_dict(torch.load(path))
    else:
        detector = train_detector(
            detector_fields(root, recipe),
            steps=recipe["steps"],
            seed=recipe["seed"],
            batch=recipe["batch"],
            rate=recipe["rate"],
        )
        torch.save(detector.state_dict(), path)
    write_detector(detector.eval(), recipe, SOURCES, (), models_folder() / "detector" / "float.onnx")
    recipe = load_recipe("classifier")
    path = states / "classifier.pt"
    if path.exists():
        classifier = BlastNet(pretrained=False)
        classifier.load_state_dict(torch.load(path))
    else:
        cells = classifier_cells(root, recipe)
        classifier = train_fold(cells, recipe, lambda *_: False, "classifier")
        torch.save(classifier.state_dict(), path)
    decision = decision_from()
    write_classifier(
        classifier.eval(), recipe, decision, (*SOURCES, "cnmc"), (), models_folder() / "classifier" / "float.onnx"
    )
    print(decision)


if __name__ == "__main__":
    main()
