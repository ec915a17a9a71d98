"""Accuracy that a quantized classifier or detector may lose compared with the float one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LEAST_CELLS = 300
"""Minimum number of blasts and of normal cells, unseen by the compared networks."""
SENSITIVITY_FALL = 0.005
AUROC_FALL = 0.005
AGREEMENT = 0.98
RECALL_FALL = 0.005
FALSE_RISE = 0.1


@dataclass(frozen=True)
class Check:
    """A condition of the gate."""

    name: str
    before: float
    after: float
    allowed: str
    passed: bool


def classifier_checks(
    before: npt.NDArray[np.floating],
    after: npt.NDArray[np.floating],
    is_blast: npt.NDArray[np.bool_],
    labels_before: Sequence[str],
    labels_after: Sequence[str],
    suspect: npt.NDArray[np.floating],
) -> list[Check]:
    """Return the checks of a classifier.

    before, after: blast probabilities of the same unseen cells. suspect: each cell's two-way threshold. Raises
    ValueError for too few cells.
    """
    from sklearn.metrics import roc_auc_score

    if min(int(is_blast.sum()), int((~is_blast).sum())) < LEAST_CELLS:
        raise ValueError(
            f"the gate needs {LEAST_CELLS} unseen blasts and {LEAST_CELLS} unseen normal cells; "
            f"there are {int(is_blast.sum())} and {int((~is_blast).sum())}"
        )

    def sensitivity_of(probability: npt.NDArray[np.floating]) -> float:
        return float((probability[is_blast] >= suspect[is_blast]).mean())

    sensitivity = sensitivity_of(before), sensitivity_of(after)
    area = float(roc_auc_score(is_blast, before)), float(roc_auc_score(is_blast, after))
    agree = float(np.mean(np.asarray(labels_before) == np.asarray(labels_after)))
    return [
        Check("sensitivity", *sensitivity, f"falls by at most {SENSITIVITY_FALL}",
              sensitivity[1] >= sensitivity[0] - SENSITIVITY_FALL),
        Check("AUROC", *area, f"falls by at most {AUROC_FALL}", area[1] >= area[0] - AUROC_FALL),
        Check("labels that agree", 1.0, agree, f"at least {AGREEMENT}", agree >= AGREEMENT),
    ]  # fmt: skip


def detector_checks(recall: tuple[float, float], false: tuple[float, float]) -> list[Check]:
    """Return the checks of a detector: (before, after) of recall and of false cells per field, on unseen fields."""
    return [
        Check("recall", *recall, f"falls by at most {RECALL_FALL}", recall[1] >= recall[0] - RECALL_FALL),
        Check("false cells a field", *false, f"rises by at most {FALSE_RISE}", false[1] <= false[0] + FALSE_RISE),
    ]
