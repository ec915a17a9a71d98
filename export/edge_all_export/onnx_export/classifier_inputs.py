"""Export inputs besides the checkpoint: cells for calibration, and unseen cells for comparison."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from edge_all.domain.image import Image
from edge_all.domain.labels import Label
from edge_all.errors import UsageError
from edge_all_export.data.cells import TrainingCell
from edge_all_export.data.classes import BLAST, SCORED
from edge_all_export.data.classifier_samples import plain_view
from edge_all_export.data.splits import any_matches, spread
from edge_all_export.models.checkpoint import Checkpoint
from edge_all_export.models.contracts import decision_of
from edge_all_export.models.onnx_session import run_model
from edge_all_export.onnx_export.accuracy_gate import LEAST_CELLS, Check, classifier_checks
from edge_all_export.onnx_export.quantization.static import ENOUGH, CalibrationSet

CALIBRATED_ON = 640


def seen_by(checkpoint: Checkpoint, source: str, group: str) -> bool:
    """Return whether the checkpoint was trained on a group."""
    return any_matches(checkpoint.seen_groups, source, group)


def classifier_calibration(checkpoint: Checkpoint, cells: Sequence[TrainingCell]) -> CalibrationSet:
    """Select real leukocytes that the checkpoint was trained on, spread over its subjects.

    Raises UsageError when there are too few.
    """
    real = [c for c in cells if c.source != "simulator" and c.kind in SCORED and seen_by(checkpoint, c.source, c.group)]
    chosen = spread(real, lambda c: f"{c.source}/{c.group}", CALIBRATED_ON)
    if len(chosen) < ENOUGH:
        # Calibration refuses far too few cells; more views of a few cells would only look sufficient.
        chosen = real
    return CalibrationSet([plain_view(c) for c in chosen], [f"{c.source}/{c.group}" for c in chosen],
                       checkpoint.unseen_groups)  # fmt: skip


class ClassifierComparison:
    """Comparison of float and quantized models on the cells that each fold has not seen."""

    def __init__(self, folds: Sequence[Checkpoint], cells: Sequence[TrainingCell]) -> None:
        """Select each fold's unseen cells. Raises UsageError when there are too few."""
        self._tests: list[tuple[Checkpoint, list[TrainingCell], Image]] = []
        for fold in folds:
            unseen = [
                c
                for c in cells
                if c.kind in SCORED
                and any_matches(fold.unseen_groups, c.source, c.group)
                and not seen_by(fold, c.source, c.group)
            ]
            if unseen:
                self._tests.append((fold, unseen, np.stack([plain_view(c) for c in unseen])))
        self.folds = [fold for fold, _, _ in self._tests]
        blasts = sum(c.kind == BLAST for _, cells, _ in self._tests for c in cells)
        normals = sum(len(cells) for _, cells, _ in self._tests) - blasts
        if min(blasts, normals) < LEAST_CELLS:
            raise UsageError(
                f"the gate needs {LEAST_CELLS} blasts and {LEAST_CELLS} normal cells that the checkpoint has not "
                f"seen; there are {blasts} and {normals}",
                "leave out groups in the recipe ([data] leave_out), or name fold checkpoints with --fold",
            )

    def __call__(self, pairs: Sequence[tuple[onnx.ModelProto, onnx.ModelProto]]) -> list[Check]:
        """Return the gate's checks over the cells of all folds; pairs: (float, quantized) per fold."""
        before, after, blast, labels, suspect = [], [], [], ([], []), []  # type: ignore[var-annotated]
        for (fold, cells, views), (float_model, quantized_model) in zip(self._tests, pairs, strict=True):
            decision = decision_of(fold)
            probabilities = []
            for k, model in enumerate((float_model, quantized_model)):
                p, unfamiliarity = run_model(model, views, batch=32)
                high, low = decision.blast, decision.normal
                label = np.where(p >= high, Label.BLAST, np.where(p < low, Label.NORMAL, Label.UNIDENTIFIED))
                labels[k].extend(np.where(unfamiliarity >= decision.unfamiliar, Label.UNIDENTIFIED, label))
                probabilities.append(p)
            before.append(probabilities[0])
            after.append(probabilities[1])
            blast.append(np.array([c.kind == BLAST for c in cells]))
            suspect.append(np.full(len(cells), decision.suspect))
        return classifier_checks(
            np.concatenate(before), np.concatenate(after), np.concatenate(blast), *labels, np.concatenate(suspect)
        )
