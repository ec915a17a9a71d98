"""Temperature and thresholds of the classifier of kinds, from cells of sources that no network had seen.

The order of cells carries over to a new bench, the level of the scores less: so both thresholds are chosen on sources
left out, each source with the same say, and sensitivity comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_all.cells.kinds import MONOCYTE_WEIGHT, KindDecisions, decide_kinds
from edge_all.domain.types import Thresholds
from edge_all_export.data.kinds import KINDS, MATURE

FloatArray = npt.NDArray[np.float64]

BLASTS_FLAGGED = 0.97
"""Share of the blasts that must be called blast or unidentified: 0.95 and a margin for the next bench."""
NORMALS_CALLED_BLAST = 0.03
"""Largest share of a source's normal leukocytes that may be called blast."""

BLAST = KINDS.index("blast")
NORMAL = slice(1, 8)
"""All kinds of nucleated cells but blasts."""
_LOG_WEIGHTS = np.array([np.log(MONOCYTE_WEIGHT) if kind == "monocyte" else 0.0 for kind in KINDS[NORMAL]])
COARSEST_UM_PER_PX: float | None = 0.3
"""Scale of a picture above which the classifier is not proven, as measured by
python -m edge_all_export.evaluate.coarse --steps scale."""
LEAST_SHARPNESS = 0.55
"""Sharpness below which the classifier is not proven, as measured by
python -m edge_all_export.evaluate.coarse --steps blur."""
NAMED_FROM = 0.4
"""A kind with less than this share of the probability of all kinds of normal cells is in doubt."""
_EOSINOPHIL = KINDS.index("eosinophil")
_EOSINOPHIL_OFFSETS = (0.0, -0.5, -1.0, -1.5)
_TEMPERATURES = np.exp(np.linspace(np.log(0.5), np.log(4.0), 43))


@dataclass(frozen=True)
class KindDecision:
    """probabilities = softmax(logits / temperature + offset). Thresholds on the blast probability, 0 to 1.

    kind: Share among the kinds of normal cells from which the likeliest one is named. sources: Left-out sources whose
    cells gave temperature and thresholds. coarsest_um_per_px: Scale above which the classifier was not proved; None if
    no limit was measured. eosinophil: Offset of the eosinophil. In training it is as frequent as the neutrophil, in
    blood it is rare, and some stains give neutrophils its color.
    """

    temperature: float
    blast: float
    normal: float
    kind: float = NAMED_FROM
    sources: tuple[str, ...] = ()
    coarsest_um_per_px: float | None = None
    eosinophil: float = 0.0

    @property
    def thresholds(self) -> Thresholds:
        """The thresholds as the device takes them."""
        return Thresholds(self.blast, self.normal, 1.0, self.kind)

    def decided(self, logits: FloatArray) -> KindDecisions:
        """Return the device's decisions on cells with these logits, N x 10."""
        scaled = self.scaled(logits)
        probabilities = np.exp(scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True))
        return decide_kinds(probabilities, self.thresholds)

    def scaled(self, logits: FloatArray) -> FloatArray:
        """Return the logits, N x 10, with temperature and offset."""
        return np.asarray(logits / self.temperature + kind_offsets(self.eosinophil))


def kind_offsets(eosinophil: float) -> FloatArray:
    """Return one offset per kind: that of the eosinophil, 0 for the others."""
    return np.asarray(np.where(np.arange(len(KINDS)) == _EOSINOPHIL, eosinophil, 0.0))


def blast_share(logits: FloatArray) -> FloatArray:
    """Return the blast probability of the device; N."""
    return np.asarray(1 / (1 + np.exp(-blast_score(logits))))


def blast_score(logits: FloatArray) -> FloatArray:
    """Return the log odds of a blast against all other nucleated cells, where the monocyte has MONOCYTE_WEIGHT; N."""
    others = logits[:, NORMAL] + _LOG_WEIGHTS
    return np.asarray(logits[:, BLAST] - np.logaddexp.reduce(others, axis=1))


def choose_temperature(logits: FloatArray, possible: FloatArray, source: npt.NDArray[np.str_]) -> float:
    """Return the temperature with the least cross-entropy, each source with the same weight.

    logits, possible: N x 10; a label that allows several kinds takes the sum of their probabilities.
    """
    weight = _equal_sources(source)

    def loss(temperature: float) -> float:
        scaled = logits / temperature
        log_p = scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True)
        allowed = np.logaddexp.reduce(np.where(possible > 0, log_p, -np.inf), axis=1)
        return float(-(weight * allowed).sum())

    return float(_TEMPERATURES[int(np.argmin([loss(t) for t in _TEMPERATURES]))])


def choose_kind_decision(
    logits: FloatArray,
    possible: FloatArray,
    source: npt.NDArray[np.str_],
    is_blast: npt.NDArray[np.bool_],
    is_normal: npt.NDArray[np.bool_],
    bench: npt.NDArray[np.str_] | None = None,
) -> KindDecision:
    """Choose temperature, offset and thresholds.

    normal: low enough to flag BLASTS_FLAGGED of the blasts, each bench with the same weight. blast: high enough for
    NORMALS_CALLED_BLAST of the normal leukocytes of every source, because the level of the scores differs most there.
    bench: Like source, but apart where the network has seen a part of the source; by default the source.
    """
    bench = source if bench is None else bench
    temperature = choose_temperature(logits, possible, source)
    offset = _choose_offset(logits / temperature, possible, source)
    share = blast_share(logits / temperature + kind_offsets(offset))
    normal = _common_quantile(share[is_blast], bench[is_blast], 1 - BLASTS_FLAGGED)
    blast = max(_quantiles(share, source, is_normal, 1 - NORMALS_CALLED_BLAST))
    sources = tuple(sorted(set(source[is_blast | is_normal].tolist())))
    return KindDecision(temperature, max(blast, normal), normal, sources=sources, eosinophil=offset)


def _choose_offset(scaled: FloatArray, possible: FloatArray, source: npt.NDArray[np.str_]) -> float:
    """Return the offset of the eosinophil that names most mature cells right, each source with the same weight."""
    known = (possible.sum(1) == 1) & np.isin(possible.argmax(1), [KINDS.index(k) for k in MATURE])
    kind, source = possible[known].argmax(1), source[known]
    # A source of one kind alone gives no information about what it is mistaken for.
    telling = [s for s in sorted(set(source.tolist())) if (kind[source == s] == _EOSINOPHIL).any()]

    def right(offset: float) -> float:
        hit = (scaled[known] + kind_offsets(offset)).argmax(1) == kind
        return float(np.mean([hit[source == s].mean() for s in telling])) if telling else 0.0

    return max(_EOSINOPHIL_OFFSETS, key=right)


def _common_quantile(share: FloatArray, bench: npt.NDArray[np.str_], q: float) -> float:
    """Return the quantile of all values, where each bench has the same weight; NaN if there are none."""
    if not len(share):
        return float("nan")
    order = np.argsort(share)
    below = np.cumsum(_equal_sources(bench)[order])
    return float(share[order][min(int(np.searchsorted(below, q, side="right")), len(share) - 1)])


KINDS_NOT_CHOSEN = KindDecision(1.0, 0.8, 0.2)
"""Decision of a network without held-out groups."""


def _quantiles(
    share: FloatArray, source: npt.NDArray[np.str_], chosen: npt.NDArray[np.bool_], q: float
) -> Sequence[float]:
    sources = sorted(set(source[chosen].tolist()))
    return [float(np.quantile(share[chosen & (source == s)], q)) for s in sources]


def _equal_sources(source: npt.NDArray[np.str_]) -> FloatArray:
    names, index, counts = np.unique(source, return_inverse=True, return_counts=True)
    return np.asarray(1 / (len(names) * counts[index]), np.float64)
