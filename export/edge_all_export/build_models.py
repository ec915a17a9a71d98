"""make models: trains what is not trained yet, chooses the thresholds, and writes the shipped files and cards."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge_all.engines.shipped import models_folder
from edge_all_export.data.allidb1 import HEALTHY
from edge_all_export.data.root import data_root
from edge_all_export.decision import Decision, choose_decision, choose_two_way
from edge_all_export.export import export
from edge_all_export.export_subject import SHIPPED_FOLDS, export_subject
from edge_all_export.model_files import CHECKPOINTS, with_decision
from edge_all_export.out_of_fold import OUT_OF_FOLD, SERIES_FOLDS, train_all
from edge_all_export.training.checkpoint import load_checkpoint, save_checkpoint

Row = dict[str, str]


def decision_from(path: Path = OUT_OF_FOLD / "cells.csv") -> Decision:
    """Calibration and thresholds from cells that the judging network had not seen: of ALL-IDB1 the blasts and the
    normal cells of healthy series; of C-NMC, for cells cut out of their surroundings, all."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))

    def arrays(wanted: Callable[[Row], bool]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
        own = [r for r in rows if wanted(r)]
        blast, unfamiliar = (np.array([float(r[k]) for r in own]) for k in ("blast_logit", "unfamiliar_logit"))
        return blast, 1 / (1 + np.exp(-unfamiliar)), np.array([r["kind"] == "blast" for r in own])

    in_field = arrays(
        lambda r: (
            r["fold"] in SERIES_FOLDS
            and r["source"] == "allidb1"
            and (r["kind"] == "blast" or (r["kind"] == "normal" and r["group"] in HEALTHY))
        )
    )
    alone, _, is_blast = arrays(lambda r: r["source"] == "cnmc")
    decision = choose_decision(*in_field)
    return replace(decision, segmented=choose_two_way(alone, is_blast, decision.unfamiliar))


def main() -> None:
    """Train, decide, export."""
    if data_root() is None:
        sys.exit("the real images are not there: set EDGE_ALL_DATA to their folder")
    train_all()
    classifier = with_decision(load_checkpoint(CHECKPOINTS / "classifier.pt"), decision_from())
    save_checkpoint(classifier, CHECKPOINTS / "classifier.pt")
    for made in (classifier, load_checkpoint(CHECKPOINTS / "detector.pt")):
        folds = [CHECKPOINTS / name for name in SHIPPED_FOLDS[made.task]]
        export(made, export_subject(made, folds, (), print), models_folder(), print)


if __name__ == "__main__":
    main()
