"""Adaptation of the classifier to one bench from reviewed cells, tested on smears held out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_all.calibrate.cell_errors import Compared, Named, count_errors, effect_in_words, reason_to_refuse
from edge_all.calibrate.cell_fit import LastLayerChange, TaughtCells, fit_change
from edge_all.calibration.cells import CellAdaptation, FloatArray, ReviewedCell, softmax
from edge_all.domain.labels import KINDS, Label
from edge_all.domain.plural import counted
from edge_all.errors import CalibrationError

LEAST_SMEARS = 3
LEAST_CELLS = 50
LEAST_OF_EACH = 10
"""Smallest number of blasts, and of other cells."""
LEAST_SMEARS_OF_EACH = 2
_MOST_FOLDS = 5
_RIDGES = (0.0003, 0.001, 0.003, 0.01, 0.03)
"""Strengths to choose from, relative to the mean squared size of the features."""

Decide = Callable[[FloatArray], Named]
"""Label and kind for the K probabilities of a cell, by the thresholds of the contract."""


@dataclass(frozen=True)
class Network:
    """The network to adapt."""

    kinds: tuple[str, ...]
    """Names of its kinds, in the order of its output."""
    models: tuple[str, ...]
    """SHA-256 of each of its files."""
    model: str
    """Name and version."""
    decide: Decide


def allowed_kinds(kinds: Sequence[str], label: str, kind: str) -> npt.NDArray[np.bool_]:
    """Return which of the network's kinds a verdict allows; none if it teaches nothing.

    A verdict without a kind, or with one that the network does not name, allows all kinds of its label.
    """
    if kind in kinds:
        possible: tuple[str, ...] = (kind,)
    elif label in kinds:
        possible = (label,)
    else:
        possible = tuple(row.key for row in KINDS.of(label))
    return np.array([name in possible for name in kinds])


def adapt(cells: Sequence[ReviewedCell], network: Network) -> CellAdaptation:
    """Fit an adaptation, and accept it only if it helps on smears held out.

    Every smear is held out once (of more than five, in five groups). The ridge is chosen, and the change is fitted, on
    the other smears. The results on the smears held out decide. The adaptation itself is then fitted to all smears.

    Args:
        cells: Reviewed cells of one bench.
        network: The network whose outputs they carry.

    Raises:
        CalibrationError: when there are too few cells, smears or blasts, or when the adaptation is refused.
    """
    taught = [c for c in cells if allowed_kinds(network.kinds, c.label, c.kind).any()]
    _refuse_too_few(taught)
    arrays = _arrays(taught, network)
    verdicts = [(c.label, c.kind if c.kind in network.kinds else "") for c in taught]
    trial = _Trial(arrays, verdicts, network.decide)
    everything = np.ones(len(taught), np.bool_)
    after = trial.left_out(everything, trial.best_ridge)
    before = softmax(arrays.log_probabilities)
    compared = [
        Compared(verdict, network.decide(shipped), network.decide(adapted))
        for verdict, shipped, adapted in zip(verdicts, before, after, strict=True)
    ]
    reason = reason_to_refuse(compared)
    if reason is not None:
        raise CalibrationError(
            f"the adaptation was refused, because on smears held out {reason}",
            "nothing was changed; review more cells, of more smears, and try again",
        )
    ridge = trial.best_ridge(everything)
    change = fit_change(arrays, ridge)
    return CellAdaptation(
        time.time(),
        network.models,
        network.model,
        network.kinds,
        change.weights.astype(np.float32),
        change.bias.astype(np.float32),
        change.scale,
        ridge,
        len(taught),
        len(np.unique(arrays.smear)),
        effect_in_words(compared),
    )


def _arrays(cells: Sequence[ReviewedCell], network: Network) -> TaughtCells:
    names = list(dict.fromkeys(c.smear for c in cells))
    return TaughtCells(
        np.array([c.log_probabilities for c in cells], np.float64),
        np.array([c.features for c in cells], np.float64),
        np.array([allowed_kinds(network.kinds, c.label, c.kind) for c in cells]),
        np.array([names.index(c.smear) for c in cells], np.intp),
    )


def _refuse_too_few(cells: Sequence[ReviewedCell]) -> None:
    smears = len({c.smear for c in cells})
    if len(cells) < LEAST_CELLS or smears < LEAST_SMEARS:
        raise CalibrationError(
            f"too few verdicts to learn from: {counted(len(cells), 'cell')} of {counted(smears, 'smear')}, and at "
            f"least {LEAST_CELLS} of {LEAST_SMEARS} are needed",
            "review about 100 cells of three or more smears",
        )
    for words, group in (
        ("blasts", [c for c in cells if c.label == Label.BLAST]),
        ("cells other than blasts", [c for c in cells if c.label != Label.BLAST]),
    ):
        smears = len({c.smear for c in group})
        if len(group) < LEAST_OF_EACH or smears < LEAST_SMEARS_OF_EACH:
            raise CalibrationError(
                f"too few {words}: {len(group)} of {counted(smears, 'smear')}, and at least {LEAST_OF_EACH} of "
                f"{LEAST_SMEARS_OF_EACH} smears are needed to check that no more blasts are missed",
                "review both blasts and other cells, on smears of patients with leukemia",
            )


class _Trial:
    """Fits to some smears, tested on the others."""

    def __init__(self, cells: TaughtCells, verdicts: Sequence[Named], decide: Decide) -> None:
        self._cells, self._verdicts, self._decide = cells, verdicts, decide
        smears = np.unique(cells.smear)
        self._fold = (np.arange(len(smears)) % _MOST_FOLDS)[np.searchsorted(smears, cells.smear)]
        self._fitted: dict[tuple[bytes, float], LastLayerChange] = {}

    def best_ridge(self, among: npt.NDArray[np.bool_]) -> float:
        """Return the ridge with the lowest cost on smears left out, all within some cells; the strongest of equals."""

        def cost(ridge: float) -> float:
            probabilities = self.left_out(among, lambda _: ridge)
            weights = self._cells.where(among).weights
            costs = [
                count_errors([(self._verdicts[i], self._decide(p))]).cost
                for i, p in zip(np.flatnonzero(among).tolist(), probabilities, strict=True)
            ]
            return round(float(weights @ costs), 9)

        return min(_RIDGES, key=lambda ridge: (cost(ridge), -ridge))

    def left_out(self, among: npt.NDArray[np.bool_], ridge_for: Callable[[npt.NDArray[np.bool_]], float]) -> FloatArray:
        """Return the adapted probabilities of some cells, each by a fit to the other smears among them.

        Args:
            among: The cells, N.
            ridge_for: Returns the ridge for the cells that a fit is made from.
        """
        adapted = np.zeros_like(self._cells.log_probabilities)
        for fold in np.unique(self._fold[among]):
            out = among & (self._fold == fold)
            others = among & ~out
            adapted[out] = softmax(self._fit(others, ridge_for(others)).logits(self._cells.where(out)))
        return np.asarray(adapted[among])

    def _fit(self, chosen: npt.NDArray[np.bool_], ridge: float) -> LastLayerChange:
        key = (chosen.tobytes(), ridge)  # the nested trials leave out the same pairs twice
        if key not in self._fitted:
            self._fitted[key] = fit_change(self._cells.where(chosen), ridge)
        return self._fitted[key]
