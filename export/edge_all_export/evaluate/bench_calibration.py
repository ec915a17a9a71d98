"""Figures of the adaptation to a bench: a few reviewed smears of a source that was left out, tested on its others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_all.calibrate.cell_errors import ErrorCounts, Named, count_errors
from edge_all.calibrate.cells import Network, adapt
from edge_all.calibration.cells import CellAdaptation, ReviewedCell, log_probabilities, softmax
from edge_all.cells.kinds import decide_kind
from edge_all.domain.labels import KINDS as NORMAL_KINDS
from edge_all.domain.labels import Label
from edge_all.errors import CalibrationError
from edge_all_export.data.kinds import KINDS, possible_kinds
from edge_all_export.evaluate.kind_predictions import KindPredictions, auroc, kinds_right
from edge_all_export.models.kind_thresholds import KindDecision

FloatArray = npt.NDArray[np.float64]

SMEARS, CELLS = 3, 100
_LEAST_OF_EACH = 4
"""Blasts, and lymphocytes, that a smear must have to be drawn for review."""


@dataclass(frozen=True, eq=False)
class KindFeatures:
    """Cells of a source that the network had never seen, with the input of its last layer."""

    predictions: KindPredictions
    features: FloatArray
    """N x F."""


def read_features(path: Path) -> KindFeatures:
    """Read a file that release/kind_features.py wrote."""
    with np.load(path) as kept:
        count = len(kept["group"])
        predictions = KindPredictions(
            np.full(count, str(kept["fold"])),
            np.full(count, str(kept["source"])),
            kept["group"],
            kept["kind"],
            kept["detail"],
            kept["logits"].astype(np.float64),
        )
        return KindFeatures(predictions, kept["features"].astype(np.float64))


@dataclass(frozen=True)
class Drawn:
    """Result with some smears reviewed, on all other smears of the source."""

    refused: str
    """Reason for refusing the adaptation; empty if it was accepted."""
    lymphocytes: float
    """AUROC of blasts against lymphocytes."""
    kinds: float
    """Share of cells with the right kind."""
    before: ErrorCounts
    after: ErrorCounts
    """Errors by the thresholds, before and after."""


def drawn(data: KindFeatures, decision: KindDecision, draws: int, seed: int = 0) -> Iterator[Drawn]:
    """Review smears drawn at random, adapt, and test on the others, some times over.

    A refused adaptation leaves the network as shipped.

    Args:
        data: Cells of a left-out source.
        decision: Temperature and thresholds from the other sources.
        draws: Number of repetitions.
        seed: Seed of the draws.
    """
    p = data.predictions
    verdicts = [_verdict(*label) for label in zip(p.source, p.kind, p.detail, strict=True)]
    shipped = log_probabilities(softmax(decision.scaled(p.logits)))
    thresholds = decision.thresholds
    network = Network(KINDS, ("",), "", lambda row: decide_kind(row.tolist(), thresholds)[:2])
    smears = [g for g in np.unique(p.group) if _has_both(p, p.group == g)]
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        chosen = rng.choice(smears, SMEARS, replace=False)
        indices = np.concatenate([_reviewed(p.group == smear, verdicts, rng) for smear in chosen])
        cells = []
        for i in indices:
            label, kind = verdicts[i]
            cells.append(ReviewedCell(p.group[i], label, kind, shipped[i], data.features[i]))
        refused, adaptation = "", None
        try:
            adaptation = adapt(cells, network)
        except CalibrationError as error:
            refused = error.message
        yield _tested(data, shipped, verdicts, network, ~np.isin(p.group, chosen), adaptation, refused)


def _has_both(p: KindPredictions, own: npt.NDArray[np.bool_]) -> bool:
    return all(int((own & (p.kind == kind)).sum()) >= _LEAST_OF_EACH for kind in ("blast", "lymphocyte"))


def _reviewed(own: npt.NDArray[np.bool_], verdicts: list[Named], rng: np.random.Generator) -> npt.NDArray[np.intp]:
    taught = np.array([i for i in np.flatnonzero(own) if verdicts[i][0] != Label.UNIDENTIFIED], np.intp)
    return rng.permutation(taught)[: -(-CELLS // SMEARS)]


def _verdict(source: str, kind: str, detail: str) -> Named:
    """Return the label and kind that a reviewer would give; unidentified where the source's label is open."""
    possible = possible_kinds(source, kind, detail)
    if len(possible) != 1:
        return str(Label.UNIDENTIFIED), ""
    return (str(Label.NORMAL), possible[0]) if possible[0] in NORMAL_KINDS else (possible[0], "")


def _tested(
    data: KindFeatures,
    shipped: FloatArray,
    verdicts: list[Named],
    network: Network,
    others: npt.NDArray[np.bool_],
    adaptation: CellAdaptation | None,
    refused: str,
) -> Drawn:
    p, before = data.predictions, np.exp(shipped)
    after = before if adaptation is None else adaptation.apply(before, data.features).astype(np.float64)
    known = [i for i in np.flatnonzero(others) if verdicts[i][0] != Label.UNIDENTIFIED]
    adapted = KindPredictions(p.fold, p.source, p.group, p.kind, p.detail, log_probabilities(after)).where(others)
    return Drawn(
        refused,
        auroc(adapted, adapted.kind == "lymphocyte"),
        kinds_right(adapted.where(np.array([verdicts[i][0] != Label.UNIDENTIFIED for i in np.flatnonzero(others)]))),
        count_errors((verdicts[i], network.decide(before[i])) for i in known),
        count_errors((verdicts[i], network.decide(after[i])) for i in known),
    )
