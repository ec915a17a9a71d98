"""Adaptation of the classifier of kinds to the cells of one bench, and the reviewed cells that teach it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from edge_all.domain.labels import MODEL_KINDS
from edge_all.domain.types import ModelIdentity

FloatArray = npt.NDArray[np.float64]

_FLOOR = 1e-6
"""Smallest probability whose logarithm is taken; a smaller one carries no more information."""
_ID_LENGTH = 8
_LARGEST = 65504.0
"""Largest value of float16."""


def log_probabilities(probabilities: npt.ArrayLike) -> FloatArray:
    """Return the natural logarithm of probabilities, with those below 1e-6 raised to it, float64."""
    return np.log(np.maximum(np.asarray(probabilities, np.float64), _FLOOR))


def softmax(logits: FloatArray) -> FloatArray:
    """Return the probabilities of each row of logits, N x K."""
    likely = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(likely / likely.sum(-1, keepdims=True))


@dataclass(frozen=True, eq=False)
class CellAdaptation:
    """Change of the classifier's last layer: log p' = scale * log p + features @ weights + bias, then softmax."""

    measured: float
    """Time of the fit, seconds since the epoch."""
    models: tuple[str, ...]
    """SHA-256 of each file of the network that it was fitted for (float and INT8 share their features)."""
    model: str
    """Name and version of this network, for people."""
    kinds: tuple[str, ...]
    """Names of the K kinds, in the order of the network's output."""
    weights: npt.NDArray[np.float32]
    """Change of the last layer's weights, float32 F x K."""
    bias: npt.NDArray[np.float32]
    """Change of its bias, float32 of shape (K,)."""
    scale: float
    """Factor of the log probabilities; below 1, the classifier gets less sure of itself."""
    ridge: float
    """Strength of the pull toward the network as shipped, chosen on smears left out."""
    cells: int
    """Number of reviewed cells."""
    smears: int
    """Number of smears that they are from."""
    effect: str
    """Change in the errors on smears held out, one line."""

    @cached_property
    def id(self) -> str:
        """Short identifier of the content, 8 hexadecimal digits, stored with each classification."""
        numbers = (values.astype("<f4").tobytes() for values in (self.weights, self.bias))
        text = f"{self.models} {self.kinds} {self.scale!r}"
        return hashlib.sha256(b"".join(numbers) + text.encode()).hexdigest()[:_ID_LENGTH]

    def fits(self, model: ModelIdentity) -> bool:
        """Return True if it was fitted for this model file, and for the kinds that this program knows."""
        return model.sha256 in self.models and self.kinds == MODEL_KINDS

    def apply(self, probabilities: npt.ArrayLike, features: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return the adapted probabilities, float32 N x K.

        Args:
            probabilities: Probabilities of the network, N x K.
            features: Input of its last layer, N x F.
        """
        change = np.asarray(features, np.float64) @ self.weights + self.bias
        return softmax(self.scale * log_probabilities(probabilities) + change).astype(np.float32)


def pack_evidence(features: npt.ArrayLike, probabilities: npt.ArrayLike) -> list[bytes]:
    """Return what the record keeps of each cell for a later fit: float16, little-endian.

    Args:
        features: Input of the network's last layer, N x F.
        probabilities: Probabilities of the network before any adaptation, N x K.
    """
    both = np.hstack([np.asarray(features, np.float64), log_probabilities(probabilities)])
    return [row.tobytes() for row in np.clip(both, -_LARGEST, _LARGEST).astype("<f2")]


def unpack_evidence(values: npt.ArrayLike, kinds: int) -> tuple[FloatArray, FloatArray]:
    """Return the features, F, and the log probabilities, K, that pack_evidence joined."""
    both = np.asarray(values, np.float64)
    return both[:-kinds], both[-kinds:]


@dataclass(frozen=True, eq=False)
class ReviewedCell:
    """One cell with a reviewer's verdict and what the network computed for it."""

    smear: str
    """Sample id, or the session's id without one. Sessions of one sample are one smear."""
    label: str
    """Label of the verdict."""
    kind: str
    """Kind of the verdict; "" if the reviewer gave none."""
    log_probabilities: FloatArray
    """Log probabilities of the network as shipped, K."""
    features: FloatArray
    """Input of the network's last layer, F."""
