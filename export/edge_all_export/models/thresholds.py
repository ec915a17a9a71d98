"""Calibration and thresholds from out-of-fold cells, with priority on sensitivity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_all.domain.labels import Label

FloatArray = npt.NDArray[np.floating]

KEPT_BLASTS = 0.995
"""Share of out-of-fold blasts that must not be called normal. The margin allows for the shift of all logits on a new
bench."""
FALSE_BLASTS = 0.03
"""Share of out-of-fold normal cells that may be called blast."""
SENSITIVITY = 0.97
"""Share of out-of-fold blasts over the two-way threshold."""
FAMILIAR = 0.99
"""Share of out-of-fold leukocytes that must not be called unfamiliar."""


@dataclass(frozen=True)
class Decision:
    """Calibration and thresholds: probability = sigmoid(scale * logit + shift); thresholds on probabilities, 0 to 1."""

    scale: float
    shift: float
    blast: float
    normal: float
    unfamiliar: float
    suspect: float = 0.5
    """Two-way threshold, from which a cell counts as a blast. For two-way figures only; the device has three labels."""

    def probability(self, logit: FloatArray) -> FloatArray:
        """Return the calibrated blast probability."""
        return np.asarray(1 / (1 + np.exp(-(self.scale * logit + self.shift))))

    def labels(self, logit: FloatArray, unfamiliarity: FloatArray) -> npt.NDArray[np.str_]:
        """Return the labels that the device would give."""
        p = self.probability(logit)
        label = np.where(p >= self.blast, Label.BLAST, np.where(p < self.normal, Label.NORMAL, Label.UNIDENTIFIED))
        return np.where(unfamiliarity >= self.unfamiliar, Label.UNIDENTIFIED, label)


NOT_CHOSEN = Decision(1.0, 0.0, 0.8, 0.2, 0.5, 0.5)
"""Decision of a network without held-out groups."""


def choose_decision(logit: FloatArray, unfamiliarity: FloatArray, is_blast: npt.NDArray[np.bool_]) -> Decision:
    """Choose a decision by Platt scaling (1999) and four quantiles.

    The scaling uses Platt's target smoothing, with the same weight for both classes. logit, unfamiliarity, is_blast: N.
    """
    scale, shift = _platt(logit, is_blast)
    p = 1 / (1 + np.exp(-(scale * logit + shift)))
    normal = float(np.quantile(p[is_blast], 1 - KEPT_BLASTS, method="lower"))
    blast = float(np.quantile(p[~is_blast], 1 - FALSE_BLASTS, method="higher"))
    suspect = 0.999 * float(np.quantile(p[is_blast], 1 - SENSITIVITY, method="lower"))
    # A threshold exactly at a cell's probability would flip that cell.
    normal, blast = normal * 0.999, min(max(blast * 1.001, normal * 1.001), 0.999)
    return Decision(scale, shift, blast, min(normal, blast), _unfamiliar(unfamiliarity), suspect)


def _unfamiliar(unfamiliarity: FloatArray) -> float:
    return min(max(float(np.quantile(unfamiliarity, FAMILIAR, method="higher")), 0.05), 0.95)


def choose_two_way(logit: FloatArray, unfamiliarity: FloatArray, is_blast: npt.NDArray[np.bool_]) -> Decision:
    """Choose one threshold, that with the highest weighted F1, for study cells that do not belong to a smear."""
    from sklearn.metrics import f1_score

    scale, shift = _platt(logit, is_blast)
    p = 1 / (1 + np.exp(-(scale * logit + shift)))
    cuts = np.linspace(0.2, 0.8, 121)
    cut = float(max(cuts, key=lambda c: f1_score(is_blast, p >= c, average="weighted")))
    return Decision(scale, shift, cut, cut, _unfamiliar(unfamiliarity), cut)


def _platt(logit: FloatArray, is_blast: npt.NDArray[np.bool_]) -> tuple[float, float]:
    positives, negatives = int(is_blast.sum()), int((~is_blast).sum())
    target = np.where(is_blast, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    weight = np.where(is_blast, 0.5 / positives, 0.5 / negatives)
    parameters = np.array([1.0, 0.0])
    design = np.stack([logit, np.ones_like(logit)], 1).astype(np.float64)
    for _ in range(50):  # Newton's method; the loss is convex
        p = 1 / (1 + np.exp(-(design @ parameters)))
        gradient = design.T @ (weight * (p - target))
        curvature = (design * (weight * p * (1 - p))[:, None]).T @ design + 1e-9 * np.eye(2)
        parameters -= np.linalg.solve(curvature, gradient)
    return float(max(parameters[0], 1e-3)), float(parameters[1])
