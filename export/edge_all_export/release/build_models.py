"""Program for ``make models``: train missing networks, choose thresholds, write the shipped files and cards."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_all.modelstore.shipped import models_folder
from edge_all_export.data.classes import BLAST, NORMAL
from edge_all_export.data.root import data_root
from edge_all_export.data.sources.allidb1 import HEALTHY
from edge_all_export.models.checkpoint import load_checkpoint, save_checkpoint
from edge_all_export.models.contracts import SEGMENTED, with_decision
from edge_all_export.models.thresholds import Decision, choose_decision, choose_two_way
from edge_all_export.onnx_export.inputs import SHIPPED_FOLDS, export_inputs
from edge_all_export.onnx_export.pipeline import GateFailedError, export
from edge_all_export.release.log_lines import lines_on_stdout
from edge_all_export.release.out_of_fold import OUT_OF_FOLD, SERIES_FOLDS, checkpoint_path, train_all


def _arrays(
    path: Path, wanted: Callable[[dict[str, str]], bool]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    with path.open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if wanted(r)]
    blast, unfamiliar = (np.array([float(r[k]) for r in rows]) for k in ("blast_logit", "unfamiliar_logit"))
    return blast, 1 / (1 + np.exp(-unfamiliar)), np.array([r["kind"] == BLAST for r in rows])


def decision_for(name: str, folder: Path = OUT_OF_FOLD) -> Decision:
    """Choose calibration and thresholds from cells that the classifying network had not seen.

    The cells are the blasts of ALL-IDB1 and the normal cells of its healthy series; for cells cut out of their
    surroundings, all of C-NMC.
    """
    if name == SEGMENTED:
        return choose_two_way(*_arrays(folder / "segmented_cells.csv", lambda _: True))
    return choose_decision(
        *_arrays(
            folder / "cells.csv",
            lambda r: (
                r["fold"] in SERIES_FOLDS and (r["kind"] == BLAST or (r["kind"] == NORMAL and r["group"] in HEALTHY))
            ),
        )
    )


def main() -> None:
    """Train, decide, export."""
    if data_root() is None:
        sys.exit("the real images were not found: set EDGE_ALL_DATA to their folder")
    with lines_on_stdout():
        _build()


def _build() -> None:
    train_all()
    for name in ("classifier", SEGMENTED):
        path = checkpoint_path(name, "all")
        save_checkpoint(with_decision(load_checkpoint(path), decision_for(name)), path)
    for name, folds in SHIPPED_FOLDS.items():
        made = load_checkpoint(checkpoint_path(name, "all"))
        subject = export_inputs(made, [checkpoint_path(name, f) for f in folds], ())
        try:
            export(made, subject, models_folder())
        except GateFailedError as error:
            print(f"{error}; its float and FP16 files are shipped without INT8")
            export(made, None, models_folder())


if __name__ == "__main__":
    main()
