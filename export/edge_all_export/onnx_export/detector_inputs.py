"""Export inputs of the detector: windows for calibration, unseen fields for comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import onnx

from edge_all.domain.illumination import BACKGROUND_LEVEL
from edge_all.domain.image import Image
from edge_all.errors import UsageError
from edge_all.field.detector import decode_peaks
from edge_all_export.data.detector_samples import BASE_UM_PER_PX, SIDE, UM_PER_PX, PreparedField
from edge_all_export.data.splits import any_matches, spread
from edge_all_export.models.checkpoint import Checkpoint
from edge_all_export.models.onnx_session import session_of
from edge_all_export.onnx_export.accuracy_gate import Check, detector_checks
from edge_all_export.onnx_export.classifier_inputs import CALIBRATED_ON, seen_by
from edge_all_export.onnx_export.quantization.static import CalibrationSet

_LEAST_OBJECTS = 300


@dataclass(frozen=True, eq=False)
class _Test:
    image: Image
    """Field at the network's scale, sides multiples of 16."""
    wanted: npt.NDArray[np.floating[Any]]
    """Leukocytes as rows x, y, radius."""
    others: npt.NDArray[np.floating[Any]]
    """Objects that may be detected without counting as false."""


def detector_calibration(checkpoint: Checkpoint, fields: Sequence[PreparedField]) -> CalibrationSet:
    """Select windows around leukocytes of real fields that the checkpoint was trained on, spread over their groups."""
    real = [f for f in fields if f.source != "simulator" and seen_by(checkpoint, f.source, f.group)]
    objects = [(f, row) for f in real for row in f.objects if row[3] == 0]
    chosen = spread(objects, lambda o: f"{o[0].source}/{o[0].group}", CALIBRATED_ON)
    windows = [_window(f, row[0], row[1]) for f, row in chosen]
    return CalibrationSet(windows, [f"{f.source}/{f.group}" for f, _ in chosen], checkpoint.unseen_groups)


def _window(field: PreparedField, x: float, y: float) -> Image:
    scale = UM_PER_PX / BASE_UM_PER_PX
    shift = (SIDE - 1) / 2
    matrix = np.array([[scale, 0, x - scale * shift], [0, scale, y - scale * shift]])
    level = float(BACKGROUND_LEVEL)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    window = cv2.warpAffine(field.image, matrix, (SIDE, SIDE), flags=flags, borderValue=(level, level, level))
    return np.asarray(window, np.uint8)


class DetectorComparison:
    """Comparison of float and quantized detectors on the fields that each fold has not seen."""

    def __init__(self, folds: Sequence[Checkpoint], fields: Sequence[PreparedField], found: float) -> None:
        """Select each fold's unseen fields. found: score from which a peak is a cell.

        Raises UsageError when there are too few labeled cells.
        """
        self._found = found
        self._tests: list[list[_Test]] = []
        self.folds: list[Checkpoint] = []
        for fold in folds:
            unseen = [
                f
                for f in fields
                if any_matches(fold.unseen_groups, f.source, f.group)
                and not seen_by(fold, f.source, f.group)
                and f.source != "simulator"
            ]
            if unseen:
                self.folds.append(fold)
                self._tests.append([_test(f) for f in unseen])
        total = sum(len(t.wanted) for tests in self._tests for t in tests)
        if total < _LEAST_OBJECTS:
            raise UsageError(
                f"the gate needs {_LEAST_OBJECTS} labeled cells in fields that the checkpoint has not seen; there are "
                f"{total}",
                "leave out groups in the recipe ([data] leave_out), or name fold checkpoints with --fold",
            )

    def __call__(self, pairs: Sequence[tuple[onnx.ModelProto, onnx.ModelProto]]) -> list[Check]:
        """Return the gate's checks over the fields of all folds; pairs: (float, quantized) per fold."""
        total, count = 0, 0
        hits, false = [0, 0], [0, 0]
        for tests, models in zip(self._tests, pairs, strict=True):
            total += sum(len(t.wanted) for t in tests)
            count += len(tests)
            for k, model in enumerate(models):
                session = session_of(model)
                for test in tests:
                    right, wrong = self._score(session, test)
                    hits[k] += right
                    false[k] += wrong
        return detector_checks((hits[0] / total, hits[1] / total), (false[0] / count, false[1] / count))

    def _score(self, session: Any, test: _Test) -> tuple[int, int]:
        heat, log_radius = session.run(None, {session.get_inputs()[0].name: test.image[None]})[:2]
        free = [(p.x, p.y) for p in decode_peaks(heat[0], log_radius[0, 0], self._found, UM_PER_PX) if not p.smudge]
        hits = 0
        for x, y, radius in test.wanted:
            near = [(np.hypot(fx - x, fy - y), i) for i, (fx, fy) in enumerate(free)]
            near = [n for n in near if n[0] <= radius]
            if near:
                hits += 1
                free.pop(min(near)[1])
        allowed = np.concatenate([test.wanted, test.others])
        false = sum(not bool(np.any(np.hypot(allowed[:, 0] - x, allowed[:, 1] - y) <= 1.5 * allowed[:, 2]))
                    for x, y in free)  # fmt: skip
        return hits, false


def _test(field: PreparedField) -> _Test:
    scale = BASE_UM_PER_PX / UM_PER_PX
    height, width = (round(s * scale) for s in field.image.shape[:2])
    image = cv2.resize(field.image, (width, height), interpolation=cv2.INTER_AREA)
    level = int(BACKGROUND_LEVEL)
    padded = cv2.copyMakeBorder(
        image, 0, -height % 16, 0, -width % 16, cv2.BORDER_CONSTANT, value=(level, level, level)
    )
    rows = field.objects[:, :3].astype(np.float64) * scale
    kind = field.objects[:, 3]
    return _Test(np.asarray(padded, np.uint8), rows[kind == 0], rows[kind != 0])
