"""Probabilities of kinds as a compact value of a row: float32, little-endian, in the order of MODEL_KINDS.

They are exact, so that the label of a cell follows from its row. Features are stored as the classifier gives them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_all.domain.labels import MODEL_KINDS


def pack_probabilities(kinds: Sequence[float]) -> bytes | None:
    """Return the stored form of the probabilities; None if there are none."""
    return np.asarray(kinds, "<f4").tobytes() if kinds else None


def unpack_probabilities(stored: bytes | None) -> tuple[float, ...]:
    """Return the probabilities; empty if there are none, or not as many as the program knows kinds."""
    if stored is None or len(stored) != 4 * len(MODEL_KINDS):
        return ()
    return tuple(np.frombuffer(stored, "<f4").tolist())


def unpack_features(stored: bytes) -> npt.NDArray[np.float16]:
    """Return the features."""
    return np.frombuffer(stored, "<f2")
