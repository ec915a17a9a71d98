"""Temperature and thresholds of the classifier of kinds, from cells of sources that no network had seen.

The order of cells carries over to a new bench, the level of the scores less: so both thresholds are chosen on sources
left out, each source with the same say, and sensitivity comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_all.cells.kinds import KindDecisions, decide_kinds
from edge_all.domain.types import Thresholds
from edge_all_export.data.kinds import KINDS

FloatArray = npt.NDArray[np.float64]

BLASTS_FLAGGED = 0.96
"""Share of a source's blasts that must be called blast or unidentified: 0.95 and a margin for the next bench."""
NORMALS_CALLED_BLAST = 0.03
"""Largest share of a source's normal leukocytes that may be called blast."""

BLAST = KINDS.index("blast")
NORMAL = slice(1, 8)
"""All kinds of nucleated cells but blasts."""
COARSEST_UM_PER_PX: float | None = None
"""Scale of a picture above which the classifier was not proved; None until it is measured."""
NAMED_FROM = 0.5
"""A kind with less than half of the probability of all kinds of normal cells is in doubt."""
_TEMPERATURES = np.exp(np.linspace(np.log(0.5), np.log(4.0), 43))


@dataclass(frozen=True)
class KindDecision:
    """probabilities = softmax(logits / temperature). Thresholds on the blast's share among nucleated cells, 0 to 1.

    kind: Share among the kinds of normal cells from which the likeliest one is named. sources: Left-out sources whose
    cells gave temperature and thresholds. coarsest_um_per_px: Scale above which the classifier was not proved; None if
    no limit was measured.
    """

    temperature: float
    blast: float
    normal: float
    kind: float = NAMED_FROM
    sources: tuple[str, ...] = ()
    coarsest_um_per_px: float | None = None

    @property
    def thresholds(self) -> Thresholds:
        """The thresholds as the device takes them."""
        return Thresholds(self.blast, self.normal, 1.0, self.kind)

    def decided(self, logits: FloatArray) -> KindDecisions:
        """Return what the device says of cells with these logits, N x 10."""
        scaled = logits / self.temperature
        probabilities = np.exp(scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True))
        return decide_kinds(probabilities, self.thresholds)


def blast_share(logits: FloatArray) -> FloatArray:
    """Return the probability of a blast, given that it is a nucleated cell; N."""
    return np.asarray(1 / (1 + np.exp(-blast_score(logits))))


def blast_score(logits: FloatArray) -> FloatArray:
    """Return the log odds of a blast against all other nucleated cells; N."""
    return np.asarray(logits[:, BLAST] - np.logaddexp.reduce(logits[:, NORMAL], axis=1))


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
) -> KindDecision:
    """Choose temperature and thresholds.

    normal: low enough to flag BLASTS_FLAGGED of the blasts of the typical (median) source. blast: high enough for
    NORMALS_CALLED_BLAST of the normal leukocytes of every source, because the level of the scores differs most there.
    """
    temperature = choose_temperature(logits, possible, source)
    share = blast_share(logits / temperature)
    normal = float(np.median(_quantiles(share, source, is_blast, 1 - BLASTS_FLAGGED)))
    blast = max(_quantiles(share, source, is_normal, 1 - NORMALS_CALLED_BLAST))
    sources = tuple(sorted(set(source[is_blast | is_normal].tolist())))
    return KindDecision(temperature, max(blast, normal), normal, sources=sources)


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
