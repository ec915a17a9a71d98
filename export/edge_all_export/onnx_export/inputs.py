"""Preparation of an export's inputs from a checkpoint and labeled images."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edge_all.errors import UsageError
from edge_all_export.data.splits import any_matches
from edge_all_export.models.checkpoint import Checkpoint, load_checkpoint, recipe_of
from edge_all_export.onnx_export.pipeline import ExportInputs
from edge_all_export.onnx_export.quantization.qat import train_with_fake_quantization

if TYPE_CHECKING:
    from edge_all_export.data.cells import TrainingCell
    from edge_all_export.data.detector_samples import PreparedField
    from edge_all_export.recipes.recipe import Recipe

_log = logging.getLogger(__name__)
SHIPPED_FOLDS = {
    "detector": tuple(f"out-{s}" for s in (*"ABCDEG", "bccd")),
    "kinds": ("out-allidb1", "out-deepapl", "out-pbc"),
    "classifier-segmented": tuple(f"fold-{n}" for n in range(1, 6)),
}
"""Folds of the shipped models, by the name of the checkpoint.

The models have seen every group, so their folds, of the same recipe, replace them at the gate.
"""


def export_inputs(
    checkpoint: Checkpoint, fold_files: Sequence[Path], paths: Sequence[Path], cache: Path = Path("runs") / "kinds"
) -> ExportInputs:
    """Read the images and prepare the checkpoint's export.

    paths: images; empty: those that the recipe names. cache: folder with the cells of recipes of kinds.

    Raises UsageError when the gate would have too little data.
    """
    folds = [load_checkpoint(f) for f in fold_files]
    if any((f.task, f.architecture) != (checkpoint.task, checkpoint.architecture) for f in folds):
        raise UsageError("a fold checkpoint belongs to another network", f"name folds of {checkpoint.architecture}")
    # A fold is tested with the thresholds of the checkpoint that it replaces.
    folds = [f if f.decision else replace(f, decision=checkpoint.decision) for f in (checkpoint, *folds)]
    folds = [f for f in folds if f.unseen_groups]
    recipe = recipe_of(checkpoint)
    if paths:
        recipe = recipe.but(data__sources=[], data__paths=[str(p) for p in paths])
    _log.info("%s: reading and preparing images for calibration and comparison", checkpoint.architecture)
    if checkpoint.task == "kinds":
        return _kinds(checkpoint, folds, recipe, cache)
    return {"classifier": _classifier, "detector": _detector}[checkpoint.task](checkpoint, folds, recipe)


def _kinds(checkpoint: Checkpoint, folds: Sequence[Checkpoint], recipe: Recipe, cache: Path) -> ExportInputs:
    """There is no retraining: the frozen blocks, which have most to lose, keep their weights."""
    from edge_all_export.onnx_export.kind_inputs import KindsComparison, kinds_calibration
    from edge_all_export.training.kind_data import kind_crops

    crops, _ = kind_crops(recipe, cache)
    compare = KindsComparison(folds, crops)
    return ExportInputs(
        checkpoint,
        compare.folds,
        [kinds_calibration(f, crops) for f in compare.folds],
        kinds_calibration(checkpoint, crops),
        compare,
    )


def _classifier(checkpoint: Checkpoint, folds: Sequence[Checkpoint], recipe: Recipe) -> ExportInputs:
    from edge_all_export.data.survey import survey
    from edge_all_export.onnx_export.classifier_inputs import ClassifierComparison, classifier_calibration
    from edge_all_export.training.classifier import classifier_job
    from edge_all_export.training.datasets import classifier_cells, data_of

    cells = classifier_cells(survey(data_of(recipe)).data, recipe)
    compare = ClassifierComparison(folds, cells)
    return ExportInputs(
        checkpoint,
        compare.folds,
        [classifier_calibration(f, cells) for f in compare.folds],
        classifier_calibration(checkpoint, cells),
        compare,
        lambda c: train_with_fake_quantization(
            c, lambda r: classifier_job(cells, r, c.data_sha256, leave_out=lambda i: _is_unseen(c, i))
        ),
    )


def _detector(checkpoint: Checkpoint, folds: Sequence[Checkpoint], recipe: Recipe) -> ExportInputs:
    from edge_all_export.data.survey import survey
    from edge_all_export.onnx_export.detector_inputs import DetectorComparison, detector_calibration
    from edge_all_export.training.datasets import data_of, detector_fields
    from edge_all_export.training.detector import detector_job

    fields = detector_fields(survey(data_of(recipe)).data, recipe)
    comparison = DetectorComparison(folds, fields, recipe["found"])
    return ExportInputs(
        checkpoint,
        comparison.folds,
        [detector_calibration(f, fields) for f in comparison.folds],
        detector_calibration(checkpoint, fields),
        comparison,
        lambda c: train_with_fake_quantization(
            c, lambda r: detector_job(fields, r, c.data_sha256, leave_out=lambda i: _is_unseen(c, i))
        ),
    )


def _is_unseen(checkpoint: Checkpoint, item: TrainingCell | PreparedField) -> bool:
    return any_matches(checkpoint.unseen_groups, item.source, item.group)
