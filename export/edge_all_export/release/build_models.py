"""Program for ``make models``: train missing networks, choose thresholds, write the shipped files and cards."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

from edge_all.modelstore.shipped import models_folder
from edge_all_export.data.classes import BLAST
from edge_all_export.data.root import data_root
from edge_all_export.models.checkpoint import load_checkpoint, save_checkpoint
from edge_all_export.models.contracts import SEGMENTED, with_decision
from edge_all_export.models.thresholds import Decision, choose_two_way
from edge_all_export.onnx_export.inputs import SHIPPED_FOLDS, export_inputs
from edge_all_export.onnx_export.pipeline import GateFailedError, export
from edge_all_export.release import kinds
from edge_all_export.release.log_lines import lines_on_stdout
from edge_all_export.release.out_of_fold import OUT_OF_FOLD, checkpoint_path, train_all


def segmented_decision(folder: Path = OUT_OF_FOLD) -> Decision:
    """Choose calibration and threshold for cut-out cells, from cells that the classifying network had not seen."""
    with (folder / "segmented_cells.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    blast, unfamiliar = (np.array([float(r[k]) for r in rows]) for k in ("blast_logit", "unfamiliar_logit"))
    return choose_two_way(blast, 1 / (1 + np.exp(-unfamiliar)), np.array([r["kind"] == BLAST for r in rows]))


def main() -> None:
    """Train, decide, export."""
    if data_root() is None:
        sys.exit("the real images were not found: set EDGE_ALL_DATA to their folder")
    with lines_on_stdout():
        _build()


def _build() -> None:
    train_all()
    path = checkpoint_path(SEGMENTED, "all")
    save_checkpoint(with_decision(load_checkpoint(path), segmented_decision()), path)
    for name in ("detector", SEGMENTED):
        made = load_checkpoint(checkpoint_path(name, "all"))
        subject = export_inputs(made, [checkpoint_path(name, f) for f in SHIPPED_FOLDS[name]], ())
        try:
            export(made, subject, models_folder())
        except GateFailedError as error:
            print(f"{error}; its float and FP16 files are shipped without INT8")
            export(made, None, models_folder())
    kinds.main([])


if __name__ == "__main__":
    main()
