"""Decision on a cell from the probabilities of its kinds: label, kind, blast probability and unfamiliarity.

The device and the workstation's evaluation use the same function, so that published figures are about what the device
does. Probabilities are in the order of MODEL_KINDS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from statistics import median

import numpy as np
import numpy.typing as npt

from edge_all.domain.labels import KINDS, MODEL_KINDS, Label
from edge_all.domain.types import Classification, ModelIdentity, Thresholds

FloatArray = npt.NDArray[np.float64]

_LABELS = tuple(Label(KINDS[k].label) if k in KINDS else Label(k) for k in MODEL_KINDS)
"""Label of each class."""
_BLAST = MODEL_KINDS.index(Label.BLAST)
_SMUDGE = MODEL_KINDS.index(Label.SMUDGE)
_ARTIFACT = MODEL_KINDS.index(Label.ARTIFACT)
_NUCLEATED = tuple(i for i in range(len(MODEL_KINDS)) if i not in (_SMUDGE, _ARTIFACT))
_NORMAL = tuple(i for i, k in enumerate(MODEL_KINDS) if k in KINDS)
_OTHERS = tuple(i for i in _NUCLEATED if i != _BLAST)
"""The nucleated cells other than blasts."""
_MOST_ENTROPY = log(len(MODEL_KINDS))
MONOCYTE_WEIGHT = 0.3
"""Weight of the monocyte against the blast. Myeloid blasts that a network has not seen look like monocytes to it, and a
monocyte to review costs less than a missed blast (docs/decisions/0008-kinds-tried.md)."""
_REST_FROM = 0.6
"""A smudge or an artifact is at least this much as likely as all nucleated cells together."""
_AGAINST_BLAST = np.array(
    [0.0 if i not in _OTHERS else MONOCYTE_WEIGHT if k == "monocyte" else 1.0 for i, k in enumerate(MODEL_KINDS)]
)
_WEIGHTS = tuple(_AGAINST_BLAST.tolist())


@dataclass(frozen=True, eq=False)
class KindDecisions:
    """Decisions on N cells. Each is an array of length N."""

    label: npt.NDArray[np.object_]
    """Labels, each the object of the table."""
    kind: npt.NDArray[np.object_]
    """Kind of a normal cell, "" in doubt; "" for an unidentified cell; otherwise the label's key."""
    blast_probability: FloatArray
    """Probability of a blast among the nucleated kinds, where the monocyte has MONOCYTE_WEIGHT."""
    unfamiliarity: FloatArray
    """Entropy of the probabilities divided by its largest value, 0 to 1. The label does not depend on it."""


def decide_kind(probabilities: Sequence[float], thresholds: Thresholds) -> tuple[Label, str, float, float]:
    """Return label, kind, blast probability and unfamiliarity of one cell.

    The likeliest of three groups decides first: nucleated cells, smudge, artifact. The last two need less where a blast
    is ruled out, because the probability of nucleated cells is that of eight kinds. A nucleated cell is a blast or
    unidentified by its blast probability, which is that among the nucleated kinds, where the monocyte has
    MONOCYTE_WEIGHT. Otherwise it has its likeliest other kind, which is not named if its share among the kinds of
    normal cells is below the threshold.

    Args:
        probabilities: In the order of MODEL_KINDS, with sum 1.
        thresholds: The classifier's thresholds; ``unfamiliar`` is not used.
    """
    # Plain numbers, because NumPy takes many times longer for the few values of one cell.
    p = probabilities.tolist() if isinstance(probabilities, np.ndarray) else probabilities
    nucleated = sum([p[i] for i in _NUCLEATED])
    against = sum([weight * x for weight, x in zip(_WEIGHTS, p, strict=True)])
    blast = p[_BLAST] / (p[_BLAST] + against) if p[_BLAST] > 0 else 0.0
    entropy = -sum([x * log(x) for x in p if x > 0])
    label, kind = _named(p, nucleated, blast, thresholds)
    return label, kind, blast, min(1.0, max(0.0, entropy / _MOST_ENTROPY))


def _named(p: Sequence[float], nucleated: float, blast: float, thresholds: Thresholds) -> tuple[Label, str]:
    rest = max(p[_SMUDGE], p[_ARTIFACT])
    if rest > nucleated or (rest > _REST_FROM * nucleated and blast < thresholds.normal):
        chosen = _SMUDGE if p[_SMUDGE] >= p[_ARTIFACT] else _ARTIFACT
    elif blast >= thresholds.blast:
        chosen = _BLAST
    elif blast >= thresholds.normal:
        return Label.UNIDENTIFIED, ""
    else:
        chosen = max(_OTHERS, key=p.__getitem__)
        if _LABELS[chosen] is Label.NORMAL and p[chosen] < thresholds.kind * sum([p[i] for i in _NORMAL]):
            return Label.NORMAL, ""
    return _LABELS[chosen], MODEL_KINDS[chosen]


def decide_kinds(probabilities: npt.ArrayLike, thresholds: Thresholds) -> KindDecisions:
    """Decide on N cells, each as decide_kind does.

    Args:
        probabilities: N x 10.
        thresholds: The classifier's thresholds.
    """
    rows = np.asarray(probabilities, np.float64).reshape(-1, len(MODEL_KINDS)).tolist()
    found = [decide_kind(row, thresholds) for row in rows]
    label, kind, blast, unfamiliarity = zip(*found, strict=True) if found else ((), (), (), ())
    return KindDecisions(
        np.array(label, object), np.array(kind, object), np.array(blast, float), np.array(unfamiliarity, float)
    )


def blast_probabilities(probabilities: npt.ArrayLike) -> FloatArray:
    """Return the blast probability, as decide_kind does, for N x 10 probabilities."""
    p = np.asarray(probabilities, np.float64).reshape(-1, len(MODEL_KINDS))
    total = p[:, _BLAST] + p @ _AGAINST_BLAST
    return np.asarray(np.divide(p[:, _BLAST], total, out=np.zeros(len(p)), where=total > 0))


def classifications(
    probabilities: npt.NDArray[np.float32],
    thresholds: Thresholds,
    model: ModelIdentity,
    engine: str,
    reason: str = "",
    calibration: str = "",
) -> list[Classification]:
    """Return the classification of each cell.

    Args:
        probabilities: float32, N x 10 in the order of MODEL_KINDS.
        thresholds: The classifier's thresholds.
        model: Identity of the model file.
        engine: Name of the engine.
        reason: Reason why no cell is labeled, whatever its probabilities; empty if there is none.
        calibration: Id of the calibration that adapted the probabilities; empty if there is none.
    """
    made = []
    for row in probabilities.tolist():
        label, kind, blast, unfamiliarity = decide_kind(row, thresholds)
        if reason:
            label, kind = Label.UNIDENTIFIED, ""
        made.append(
            Classification(
                blast, unfamiliarity, label, thresholds, model, engine, kind, tuple(row), reason, calibration
            )
        )
    return made


def fused(views: Sequence[Sequence[float]]) -> npt.NDArray[np.float32]:
    """Return the median of the probabilities of several views, with sum 1; float32, 1 x 10."""
    middle = [median(values) for values in zip(*views, strict=True)]
    total = sum(middle)
    return np.array([[value / total for value in middle]], np.float32)


def to_model_kinds(output: npt.ArrayLike, columns: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return a model's output, N x 10 with these columns, as float32 in the order of MODEL_KINDS."""
    order = [list(columns).index(kind) for kind in MODEL_KINDS]
    return np.asarray(output, np.float32).reshape(-1, len(MODEL_KINDS))[:, order]
