"""Temperature and thresholds of the shipped classifier of kinds, and its files, from the committed predictions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from edge_all.errors import UsageError
from edge_all.modelstore.shipped import models_folder
from edge_all_export.evaluate.kind_predictions import decide, provenance_path, read_predictions
from edge_all_export.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from edge_all_export.models.contracts import with_decision
from edge_all_export.models.kind_thresholds import COARSEST_UM_PER_PX
from edge_all_export.onnx_export.inputs import export_inputs
from edge_all_export.onnx_export.pipeline import GateFailedError, export
from edge_all_export.release.kind_folds import FOLDS, PREDICTIONS, RUNS, SOURCES_OUT, checkpoint_path
from edge_all_export.release.kinds_table import tables


def decided(predictions: Path = PREDICTIONS) -> Checkpoint:
    """Put temperature and thresholds into kinds.pt, and return it.

    They are chosen from the predictions for cells that the networks had not seen. Raises UsageError if the predictions
    belong to another recipe or other data, or if a fold is missing.
    """
    path = checkpoint_path("all")
    checkpoint = load_checkpoint(path)
    made = json.loads(provenance_path(predictions).read_text(encoding="utf-8"))
    missing = set(FOLDS) - set(made["folds"])
    same = (made["recipe_sha256"], made["data_sha256"]) == (checkpoint.recipe_sha256, checkpoint.data_sha256)
    if missing or not same:
        why = f"without the folds {', '.join(sorted(missing))}" if missing else "with another recipe or other data"
        raise UsageError(
            f"{predictions} was made {why}", "train what is missing: python -m edge_all_export.release.kinds"
        )
    decision = replace(decide(read_predictions(predictions)), coarsest_um_per_px=COARSEST_UM_PER_PX)
    save_checkpoint(with_decision(checkpoint, decision), path)
    return checkpoint


def export_kinds(out: Path | None = None, predictions: Path = PREDICTIONS) -> None:
    """Decide, quantize and write OUT/classifier; out: by default the folder of the shipped models.

    The gate compares the folds that leave whole sources out. If an INT8 file loses too much, only the float and FP16
    files are written.
    """
    checkpoint = decided(predictions)
    figures = [
        "On cells of sources and groups that the networks of the same recipe had not seen; labels by temperature and "
        "thresholds from the other sources:",
        "",
        *tables(read_predictions(predictions)),
    ]
    inputs = export_inputs(checkpoint, [checkpoint_path(fold) for fold in SOURCES_OUT], (), RUNS)
    target = models_folder() if out is None else out
    try:
        report = export(checkpoint, inputs, target, figures)
    except GateFailedError as error:
        print(f"{error}; the float and FP16 files are written without INT8")
        report = export(checkpoint, None, target, figures)
    for parity in report:
        print(f"{parity.precision}: {len(parity.float_layers)} layers in float besides the first ones")
