"""Export inputs of the classifier of kinds: cells for calibration, and unseen cells for comparison."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import onnx

from edge_all.cells.kinds import decide_kinds
from edge_all.domain.image import Image
from edge_all.domain.labels import LABELS, Label
from edge_all.errors import UsageError
from edge_all_export.data.crop_cache import CropCache
from edge_all_export.data.kind_crops import KindCell
from edge_all_export.data.kind_views import plain_view
from edge_all_export.data.kinds import KINDS, NORMAL_KINDS
from edge_all_export.data.splits import spread
from edge_all_export.models.checkpoint import Checkpoint
from edge_all_export.models.classifier.kinds_network import SIDE, UM_PER_PX
from edge_all_export.models.contracts import kind_decision_of
from edge_all_export.models.onnx_session import run_model
from edge_all_export.onnx_export.accuracy_gate import Check, KindOutcomes, kind_checks, refuse_few_cells
from edge_all_export.onnx_export.quantization.static import CalibrationSet

CALIBRATED_ON = 320
"""Cells for the ranges of the activations; an image has three times the pixels of the other classifiers'."""
COMPARED_ON = 1000
"""Most unseen cells of a fold, half of them blasts, so that the gate takes minutes."""

_BLAST = (str(Label.BLAST),)


def kinds_calibration(checkpoint: Checkpoint, crops: CropCache) -> CalibrationSet:
    """Select real cells that the checkpoint was trained on, spread over its kinds and benches.

    Raises UsageError when there are too few.
    """
    seen = set(checkpoint.seen_groups)
    real = [i for i, c in enumerate(crops.cells) if c.source != "simulator" and c.possible and _group(c) in seen]
    chosen = spread(real, lambda i: f"{crops.cells[i].source}/{crops.cells[i].kind}", CALIBRATED_ON)
    groups = [_group(crops.cells[i]) for i in chosen]
    return CalibrationSet(list(_views(crops, chosen)), groups, checkpoint.unseen_groups)


class KindsComparison:
    """Comparison of float and quantized models on the cells that each fold has not seen."""

    def __init__(self, folds: Sequence[Checkpoint], crops: CropCache) -> None:
        """Select each fold's unseen cells. Raises UsageError when there are too few."""
        self._tests: list[tuple[Checkpoint, Image]] = []
        cells: list[KindCell] = []
        for fold in folds:
            unseen = set(fold.unseen_groups) - set(fold.seen_groups)
            own = [i for i, c in enumerate(crops.cells) if c.possible and _group(c) in unseen]
            chosen = _selected(own, crops)
            if chosen:
                self._tests.append((fold, np.stack(list(_views(crops, chosen)))))
                cells += [crops.cells[i] for i in chosen]
        self.folds = [fold for fold, _ in self._tests]
        self._is_blast = np.array([c.possible == _BLAST for c in cells], bool)
        self._is_normal = np.array([set(c.possible) <= set(NORMAL_KINDS) for c in cells], bool)
        self.kinds = np.array([c.possible[0] if len(c.possible) == 1 else "" for c in cells], np.str_)
        """Kinds of the compared cells, fold by fold; empty for a label that allows several."""
        try:
            refuse_few_cells(int(self._is_blast.sum()), int(self._is_normal.sum()))
        except ValueError as error:
            raise UsageError(
                str(error), "leave out groups in the recipe ([data] leave_out), or name fold checkpoints with --fold"
            ) from error

    def __call__(self, pairs: Sequence[tuple[onnx.ModelProto, onnx.ModelProto]]) -> list[Check]:
        """Return the gate's checks over the cells of all folds; pairs: (float, quantized) per fold."""
        before, after = (
            _joined(
                _outcomes(run_model(models[k], views, batch=32)[0], fold)
                for (fold, views), models in zip(self._tests, pairs, strict=True)
            )
            for k in range(2)
        )
        return kind_checks(before, after, self._is_blast, self._is_normal, self.kinds)


def _selected(own: Sequence[int], crops: CropCache) -> list[int]:
    """Select blasts of all groups, and other cells of all sources and kinds."""
    cells = crops.cells
    blasts = [i for i in own if cells[i].possible == _BLAST]
    others = [i for i in own if cells[i].possible != _BLAST]
    return spread(blasts, lambda i: _group(cells[i]), COMPARED_ON // 2) + spread(
        others, lambda i: f"{cells[i].source}/{cells[i].kind}", COMPARED_ON // 2
    )


def _outcomes(probabilities: npt.NDArray[np.floating], fold: Checkpoint) -> KindOutcomes:
    """Return the results of a device with the fold's thresholds. probabilities: N x 10."""
    decided = decide_kinds(probabilities, kind_decision_of(fold).thresholds)
    return KindOutcomes(
        decided.blast_probability,
        np.array([LABELS.is_finding(label) for label in decided.label], bool),
        np.array([f"{label} {kind}" for label, kind in zip(decided.label, decided.kind, strict=True)], np.str_),
        np.array(KINDS, np.str_)[probabilities.argmax(1)],
    )


def _joined(parts: Iterable[KindOutcomes]) -> KindOutcomes:
    columns = zip(*((o.blast_probability, o.flagged, o.label, o.top) for o in parts), strict=True)
    return KindOutcomes(*(np.concatenate(column) for column in columns))


def _group(cell: KindCell) -> str:
    return f"{cell.source}/{cell.group}"


def _views(crops: CropCache, chosen: Sequence[int]) -> Iterable[Image]:
    """Yield cells as the device crops them, RGB uint8."""
    for i in chosen:
        yield plain_view(np.asarray(crops.crops[i]), SIDE, UM_PER_PX).astype(np.uint8)
