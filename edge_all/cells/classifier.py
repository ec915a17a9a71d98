"""Classification of cells: blast probability, unfamiliarity and label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_all.domain.image import Image
from edge_all.domain.types import Classification, Label, ModelIdentity, Thresholds
from edge_all.errors import ModelError, UsageError
from edge_all.inference.base import Engine


def label_for(blast_probability: float, unfamiliarity: float, thresholds: Thresholds) -> Label:
    """Return the label of a cell from its blast probability and unfamiliarity, by the thresholds."""
    if unfamiliarity >= thresholds.unfamiliar:
        return Label.UNIDENTIFIED
    if blast_probability >= thresholds.blast:
        return Label.BLAST
    return Label.NORMAL if blast_probability < thresholds.normal else Label.UNIDENTIFIED


class CellClassifier:
    """Classifier of cell crops that works in batches."""

    def __init__(self, engine: Engine, blast_threshold: float | None = None, max_batch: int = 32) -> None:
        """Create a classifier.

        Args:
            engine: The loaded classification network.
            blast_threshold: Blast probability threshold that replaces the model file's; at least its lower threshold.
            max_batch: Largest number of crops per batch.

        Raises:
            UsageError: when the blast threshold is out of range.
        """
        self._engine = engine
        self._max_batch = max_batch
        own = engine.contract.thresholds
        blast = own["blast"] if blast_threshold is None else blast_threshold
        if not own["normal"] <= blast <= 1.0:
            raise UsageError(
                f"the blast threshold {blast:g} is outside {own['normal']:g} to 1",
                f"the lower threshold of {engine.contract.name} is {own['normal']:g}; use a value above it",
            )
        self.thresholds = Thresholds(blast, own["normal"], own["unfamiliar"])

    @property
    def identity(self) -> ModelIdentity:
        """Identity of the model file."""
        return self._engine.identity

    @property
    def engine_name(self) -> str:
        """Name of the engine in use."""
        return self._engine.name

    def classify(self, crops: Sequence[Image]) -> list[Classification]:
        """Classify crops, each RGB uint8, side x side x 3 as in the contract.

        Returns:
            One classification per crop, in order.

        Raises:
            ModelError: when the network returns a value that is not finite.
        """
        classified: list[Classification] = []
        for start in range(0, len(crops), self._max_batch):
            classified += self._batch(crops[start : start + self._max_batch])
        return classified

    def _batch(self, crops: Sequence[Image]) -> list[Classification]:
        probability, unfamiliarity = (np.asarray(o).reshape(len(crops)) for o in self._engine.run(np.stack(crops)))
        if not (np.isfinite(probability).all() and np.isfinite(unfamiliarity).all()):
            raise ModelError(
                f"{self._engine.contract.name} returned a value that is not a number",
                "the model file is damaged; export it again",
            )
        return [
            Classification(
                float(p),
                float(u),
                label_for(float(p), float(u), self.thresholds),
                self.thresholds,
                self.identity,
                self.engine_name,
            )
            for p, u in zip(probability, unfamiliarity, strict=True)
        ]
