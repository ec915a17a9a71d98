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
KIND_AGREEMENT = 0.95
"""Share of cells whose label and kind must stay the same. Kinds have more borders than blast and normal have."""
KINDS_FALL = 0.01
LEAST_OF_A_KIND = 20
"""Kinds with fewer unseen cells are not in the mean over the kinds."""
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

    refuse_few_cells(int(is_blast.sum()), int((~is_blast).sum()))

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


@dataclass(frozen=True, eq=False)
class KindOutcomes:
    """Results of a classifier of kinds for some cells; each array has one entry per cell.

    top: the likeliest kind. label: with the kind, where one is named.
    """

    blast_probability: npt.NDArray[np.floating]
    flagged: npt.NDArray[np.bool_]
    label: npt.NDArray[np.str_]
    top: npt.NDArray[np.str_]


def kind_checks(
    before: KindOutcomes,
    after: KindOutcomes,
    is_blast: npt.NDArray[np.bool_],
    is_normal: npt.NDArray[np.bool_],
    kind: npt.NDArray[np.str_],
) -> list[Check]:
    """Return the checks of a classifier of kinds on unseen cells.

    is_normal: normal leukocytes. kind: of each cell as labeled, empty if its label allows several. Raises ValueError
    for too few cells.
    """
    from sklearn.metrics import roc_auc_score

    refuse_few_cells(int(is_blast.sum()), int(is_normal.sum()))
    ranked = is_blast | is_normal

    def flagged_by(outcomes: KindOutcomes) -> float:
        return float(outcomes.flagged[is_blast].mean())

    def area_of(outcomes: KindOutcomes) -> float:
        return float(roc_auc_score(is_blast[ranked], outcomes.blast_probability[ranked]))

    def kinds_right(outcomes: KindOutcomes) -> float:
        return float(np.mean([(outcomes.top[kind == k] == k).mean() for k in named]))

    named = [k for k in sorted(set(kind.tolist()) - {""}) if (kind == k).sum() >= LEAST_OF_A_KIND]
    flagged = flagged_by(before), flagged_by(after)
    area = area_of(before), area_of(after)
    right = kinds_right(before), kinds_right(after)
    agree = float((before.label == after.label).mean())
    return [
        Check("sensitivity", *flagged, f"falls by at most {SENSITIVITY_FALL}",
              flagged[1] >= flagged[0] - SENSITIVITY_FALL),
        Check("AUROC", *area, f"falls by at most {AUROC_FALL}", area[1] >= area[0] - AUROC_FALL),
        Check("labels and kinds that agree", 1.0, agree, f"at least {KIND_AGREEMENT}", agree >= KIND_AGREEMENT),
        Check(f"kinds right, mean of {len(named)}", *right, f"falls by at most {KINDS_FALL}",
              right[1] >= right[0] - KINDS_FALL),
    ]  # fmt: skip


def refuse_few_cells(blasts: int, normals: int) -> None:
    """Raise ValueError if there are too few unseen cells for the gate."""
    if min(blasts, normals) < LEAST_CELLS:
        raise ValueError(
            f"the gate needs {LEAST_CELLS} unseen blasts and {LEAST_CELLS} unseen normal cells; there are {blasts} and "
            f"{normals}"
        )


def detector_checks(recall: tuple[float, float], false: tuple[float, float]) -> list[Check]:
    """Return the checks of a detector: (before, after) of recall and of false cells per field, on unseen fields."""
    return [
        Check("recall", *recall, f"falls by at most {RECALL_FALL}", recall[1] >= recall[0] - RECALL_FALL),
        Check("false cells a field", *false, f"rises by at most {FALSE_RISE}", false[1] <= false[0] + FALSE_RISE),
    ]
