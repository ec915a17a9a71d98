"""Fit of an adaptation to reviewed cells: a multinomial logistic loss with partial labels and a ridge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_all.calibration.cells import FloatArray, softmax

_BIAS_RIDGE = 0.1
"""Ridge of the bias, weak because it is one number a kind."""
_SCALE_RIDGE = 1.0
_MOST_STEPS = 400
_CONVERGED = 1e-7
_SMALL_DIRECTION = 1e-6
"""Directions in which the features vary less than this share of the most varied one are left out."""


@dataclass(frozen=True, eq=False)
class TaughtCells:
    """Reviewed cells as arrays, one row a cell."""

    log_probabilities: FloatArray
    """N x K."""
    features: FloatArray
    """N x F."""
    allowed: npt.NDArray[np.bool_]
    """Kinds that the verdict allows, N x K; at least one in each row."""
    smear: npt.NDArray[np.intp]
    """Number of the smear, N."""

    def __len__(self) -> int:
        return len(self.smear)

    def where(self, chosen: npt.NDArray[np.bool_]) -> TaughtCells:
        """Return some of the cells."""
        return TaughtCells(
            self.log_probabilities[chosen], self.features[chosen], self.allowed[chosen], self.smear[chosen]
        )

    @property
    def weights(self) -> FloatArray:
        """Weight of each cell, N, with the sum 1: every smear weighs the same."""
        _, index, counts = np.unique(self.smear, return_inverse=True, return_counts=True)
        return np.asarray(1 / (len(counts) * counts[index]), np.float64)


@dataclass(frozen=True, eq=False)
class LastLayerChange:
    """Fitted change of the last layer; zero weights, zero bias and scale 1 leave the network as shipped."""

    weights: FloatArray
    bias: FloatArray
    scale: float

    def logits(self, cells: TaughtCells) -> FloatArray:
        """Return the adapted logits, N x K."""
        return np.asarray(self.scale * cells.log_probabilities + cells.features @ self.weights + self.bias)


def fit_change(cells: TaughtCells, ridge: float) -> LastLayerChange:
    """Return the change of the last layer that minimizes the weighted loss plus the ridge.

    The loss of a cell is minus the log of the summed probability of the kinds its verdict allows. The Hessian of the
    multinomial logistic loss in the logits is at most 1/2 (Boehning 1992), and partial labels only lower it, so a step
    with the inverse of that bound never raises the loss. Such steps are accelerated by momentum (Nesterov 1983), which
    restarts when the loss rises. Equal cells give equal results.

    Args:
        cells: The reviewed cells.
        ridge: Strength of the pull of the weights toward zero, relative to the mean squared size of the features.
    """
    weights = cells.weights
    center = weights @ cells.features
    features = cells.features - center
    directions = _directions(features)
    inputs = np.hstack([features @ directions, np.ones((len(cells), 1))])
    log_p = cells.log_probabilities - cells.log_probabilities.mean(1, keepdims=True)
    size = float(weights @ (features**2).sum(1))
    penalty = np.append(np.full(directions.shape[1], max(ridge * size, 1e-12)), _BIAS_RIDGE)
    loss = _Loss(inputs, log_p, cells.allowed, weights, penalty)
    solution, scale = _minimize(loss)
    change = directions @ solution[:-1]
    bias = solution[-1] - center @ change
    return LastLayerChange(change, bias, scale)


def _directions(features: FloatArray) -> FloatArray:
    """Return an orthonormal basis of the cells' features, F x R; no change outside of it lowers the loss."""
    _, size, rows = np.linalg.svd(features, full_matrices=False)
    return np.asarray(rows[size > _SMALL_DIRECTION * max(float(size.max(initial=0)), 1e-12)].T)


class _Loss:
    """Penalized loss of (coefficients (R + 1) x K, scale), its gradient and the steps that never raise it."""

    def __init__(
        self,
        inputs: FloatArray,
        log_p: FloatArray,
        allowed: npt.NDArray[np.bool_],
        weights: FloatArray,
        penalty: FloatArray,
    ) -> None:
        self._inputs, self._log_p, self._weights = inputs, log_p, weights[:, None]
        self._barred = np.where(allowed, 0.0, -np.inf)
        self._penalty = penalty[:, None]
        # Coefficients and scale move together; the bound of each is doubled for the part that they share.
        bound = (inputs.T * weights) @ inputs + np.diag(penalty)
        self._step = np.linalg.inv(bound)
        self._scale_step = 1 / (float(weights @ (log_p**2).sum(1)) + _SCALE_RIDGE)
        self.shape = (inputs.shape[1], log_p.shape[1])

    def value(self, coefficients: FloatArray, scale: float) -> float:
        logits = scale * self._log_p + self._inputs @ coefficients
        missed = np.logaddexp.reduce(logits, axis=1) - np.logaddexp.reduce(logits + self._barred, axis=1)
        penalty = float((self._penalty * coefficients**2).sum()) + _SCALE_RIDGE * (scale - 1) ** 2
        return float(self._weights[:, 0] @ missed) + penalty / 2

    def stepped(self, coefficients: FloatArray, scale: float) -> tuple[FloatArray, float]:
        logits = scale * self._log_p + self._inputs @ coefficients
        residual = self._weights * (softmax(logits) - softmax(logits + self._barred))
        gradient = self._inputs.T @ residual + self._penalty * coefficients
        scale_gradient = float((residual * self._log_p).sum()) + _SCALE_RIDGE * (scale - 1)
        return coefficients - self._step @ gradient, scale - self._scale_step * scale_gradient


def _minimize(loss: _Loss) -> tuple[FloatArray, float]:
    """Return the coefficients and the scale."""
    now, scale = np.zeros(loss.shape), 1.0
    before, scale_before = now, scale
    value, momentum = loss.value(now, scale), 1.0
    for _ in range(_MOST_STEPS):
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        share = (momentum - 1) / following
        ahead = (now + share * (now - before), scale + share * (scale - scale_before))
        candidate = loss.stepped(*ahead)
        lower = loss.value(*candidate)
        if lower > value:
            following, candidate = 1.0, loss.stepped(now, scale)
            lower = loss.value(*candidate)
        before, scale_before = now, scale
        (now, scale), momentum = candidate, following
        if value - lower < _CONVERGED and following > 1.0:
            break
        value = lower
    return now, float(scale)
