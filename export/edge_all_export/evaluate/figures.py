"""Figures of merit with intervals that resample whole subjects or series."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_all.domain.labels import Label
from edge_all_export.data.classes import BLAST, NORMAL
from edge_all_export.evaluate.classified import Scored

FEW_GROUPS = 8
"""Below this number of groups, a bootstrap over groups is not informative; the range is given instead."""
ENOUGH_FOR_CALIBRATION = 1000
RESAMPLES = 500

Weights = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """A figure of merit. value: None if it cannot be computed, with the reason in ``how``.

    low, high: 95 % interval over groups, or the range over groups if there are few.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    how: str


def _auroc(s: Scored, w: Weights) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(s.is_blast, s.probability, sample_weight=w))


def _auprc(s: Scored, w: Weights) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(s.is_blast, s.probability, sample_weight=w))


def _brier(s: Scored, w: Weights) -> float:
    return float(np.average((s.probability - s.is_blast) ** 2, weights=w))


def _sensitivity(s: Scored, w: Weights) -> float:
    return float(np.average(s.suspect[s.is_blast], weights=w[s.is_blast]))


def _specificity(s: Scored, w: Weights) -> float:
    return float(np.average(~s.suspect[~s.is_blast], weights=w[~s.is_blast]))


def _weighted_f1(s: Scored, w: Weights) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(s.is_blast, s.suspect, average="weighted", sample_weight=w, zero_division=0))


def _found(s: Scored, w: Weights) -> float:
    return float(np.average(s.label[s.is_blast] != Label.NORMAL, weights=w[s.is_blast]))


def _false_blasts(s: Scored, w: Weights) -> float:
    return float(np.average(s.label[~s.is_blast] == Label.BLAST, weights=w[~s.is_blast]))


def _unidentified(s: Scored, w: Weights) -> float:
    return float(np.average(s.label == Label.UNIDENTIFIED, weights=w))


def _calibration_error(s: Scored, w: Weights) -> float:
    return calibration_error(s.probability, s.is_blast, w)


_FIGURES: tuple[tuple[str, Callable[[Scored, Weights], float], str], ...] = (
    ("auroc", _auroc, "both"),
    ("auprc", _auprc, "both"),
    ("weighted_f1", _weighted_f1, "both"),
    ("sensitivity", _sensitivity, BLAST),
    ("specificity", _specificity, NORMAL),
    ("brier", _brier, "both"),
    ("calibration_error", _calibration_error, "both"),
    ("blasts_flagged", _found, BLAST),
    ("normals_called_blast", _false_blasts, NORMAL),
    (str(Label.UNIDENTIFIED), _unidentified, "any"),
)


def calibration_error(
    probability: npt.NDArray[np.float64], is_blast: npt.NDArray[np.bool_], weight: Weights, bins: int = 15
) -> float:
    """Return the expected calibration error (Naeini et al. 2015) over bins of equal width."""
    index = np.minimum((probability * bins).astype(int), bins - 1)
    total = np.bincount(index, weight, bins)
    difference = np.bincount(index, weight * (probability - is_blast), bins)
    return float(np.abs(difference).sum() / total.sum())


def figures(s: Scored, seen: bool, seed: int = 0) -> list[Figure]:
    """Compute all figures. seen: the model was trained on these cells. seed: of the bootstrap."""
    names = np.unique(s.group)
    found = []
    for name, measure, needs in _FIGURES:
        if not len(s.is_blast) or not _possible(s.is_blast, needs):
            found.append(Figure(name, None, None, None, f"needs {needs} cells"))
        elif name == "calibration_error" and (seen or len(s.is_blast) < ENOUGH_FOR_CALIBRATION):
            found.append(
                Figure(name, None, None, None, f"needs {ENOUGH_FOR_CALIBRATION} unseen cells; {len(s.is_blast)} here")
            )
        else:
            value = measure(s, np.ones(len(s.is_blast)))
            if len(names) < FEW_GROUPS:
                low, high = _range(s, measure, needs, names)
                how = f"range over {len(names)} groups"
            else:
                low, high = _bootstrap(s, measure, needs, names, seed)
                how = f"95 % bootstrap over {len(names)} groups"
            found.append(Figure(name, value, low, high, how))
    return found


def _possible(is_blast: npt.NDArray[np.bool_], needs: str, weight: Weights | None = None) -> bool:
    kept = is_blast if weight is None else is_blast[weight > 0]
    blasts, normals = bool(kept.any()), bool((~kept).any())
    return {"both": blasts and normals, BLAST: blasts, NORMAL: normals, "any": len(kept) > 0}[needs]


def _bootstrap(
    s: Scored, measure: Callable[[Scored, Weights], float], needs: str, names: Any, seed: int
) -> tuple[float | None, float | None]:
    rng = np.random.Generator(np.random.PCG64(seed))
    place = np.searchsorted(names, s.group)
    values = []
    for _ in range(RESAMPLES):
        times = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names)).astype(np.float64)
        weight = times[place]
        if _possible(s.is_blast, needs, weight):
            values.append(measure(s, weight))
    if len(values) < RESAMPLES // 2:
        return None, None
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def _range(
    s: Scored, measure: Callable[[Scored, Weights], float], needs: str, names: Any
) -> tuple[float | None, float | None]:
    values = []
    for name in names:
        weight = (s.group == name).astype(np.float64)
        if _possible(s.is_blast, needs, weight):
            values.append(measure(s, weight))
    return (min(values), max(values)) if values else (None, None)
