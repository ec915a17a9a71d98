"""Classification of cells: blast probability, unfamiliarity, label and kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edge_all.calibration.cells import CellAdaptation, pack_evidence
from edge_all.cells.kinds import classifications, to_model_kinds
from edge_all.domain.image import Image
from edge_all.domain.types import Classification, Label, ModelIdentity, Thresholds
from edge_all.errors import ModelError, UsageError
from edge_all.inference.base import Engine
from edge_all.inference.contract import Contract


def label_for(blast_probability: float, unfamiliarity: float, thresholds: Thresholds) -> Label:
    """Return the label of a cell from the outputs of a model that gives no kinds, by the thresholds."""
    if unfamiliarity >= thresholds.unfamiliar:
        return Label.UNIDENTIFIED
    if blast_probability >= thresholds.blast:
        return Label.BLAST
    return Label.NORMAL if blast_probability < thresholds.normal else Label.UNIDENTIFIED


def thresholds_of(contract: Contract) -> Thresholds:
    """Return the thresholds in a classifier's contract."""
    own = contract.thresholds
    if contract.gives_kinds:
        return Thresholds(own["blast"], own["normal"], 1.0, own["kind"])
    return Thresholds(own["blast"], own["normal"], own["unfamiliar"])


class CellClassifier:
    """Classifier of cell crops that works in batches, with a model of either form (see Contract.gives_kinds)."""

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
        self._adaptation: CellAdaptation | None = None
        own = engine.contract.thresholds
        self._columns = engine.contract.kinds
        blast = own["blast"] if blast_threshold is None else blast_threshold
        if not own["normal"] <= blast <= 1.0:
            raise UsageError(
                f"the blast threshold {blast:g} is outside {own['normal']:g} to 1",
                f"the lower threshold of {engine.contract.name} is {own['normal']:g}; use a value above it",
            )
        self.thresholds = replace(thresholds_of(engine.contract), blast=blast)

    @property
    def gives_kinds(self) -> bool:
        """True if the model gives kinds, among them smudge and artifact, so that it decides on every detection."""
        return bool(self._columns)

    def use(self, adaptation: CellAdaptation | None) -> None:
        """Adapt the probabilities from now on, while the engine runs a model file that it was fitted for."""
        self._adaptation = adaptation

    @property
    def identity(self) -> ModelIdentity:
        """Identity of the model file."""
        return self._engine.identity

    @property
    def engine_name(self) -> str:
        """Name of the engine in use."""
        return self._engine.name

    def classify(self, crops: Sequence[Image], reason: str = "") -> list[Classification]:
        """Classify crops, each RGB uint8, side x side x 3 as in the contract.

        Args:
            crops: The crops.
            reason: Reason why none of them is labeled, such as a picture that is too coarse; their probabilities are
                computed nevertheless.

        Returns:
            One classification per crop, in order.

        Raises:
            ModelError: when the network returns a value that is not finite.
        """
        return self.classify_with_features(crops, reason)[0]

    def classify_with_features(
        self, crops: Sequence[Image], reason: str = ""
    ) -> tuple[list[Classification], list[bytes | None]]:
        """Classify crops like ``classify``, and return their features too.

        Features are the input of the network's last layer, followed by the log probabilities of the kinds before any
        adaptation, each as the bytes of float16 values, little-endian; None for a model that gives no kinds.
        """
        classified: list[Classification] = []
        features: list[bytes | None] = []
        for start in range(0, len(crops), self._max_batch):
            one_batch = np.stack(crops[start : start + self._max_batch])
            first, second = self._run(one_batch)
            if self.gives_kinds:
                shipped, own_features = to_model_kinds(first, self._columns), second.reshape(len(one_batch), -1)
                probabilities, calibration = self._adapted(shipped, own_features)
                classified += classifications(
                    probabilities, self.thresholds, self.identity, self.engine_name, reason, calibration
                )
                features += pack_evidence(own_features, shipped)
            else:
                classified += self._from_pair(first.reshape(-1), second.reshape(-1), reason)
                features += [None] * len(one_batch)
        return classified, features

    def _adapted(
        self, probabilities: npt.NDArray[np.float32], features: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], str]:
        """Return the probabilities and the id of the adaptation that gave them."""
        adaptation = self._adaptation
        if adaptation is None or not adaptation.fits(self.identity):
            return probabilities, ""
        return adaptation.apply(probabilities, features), adaptation.id

    def _run(self, batch: Image) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        first, second = (np.asarray(output, np.float32) for output in self._engine.run(batch))
        if not (np.isfinite(first).all() and np.isfinite(second).all()):
            raise ModelError(
                f"{self._engine.contract.name} returned a value that is not a number",
                "the model file is damaged; export it again",
            )
        return first, second

    def _from_pair(
        self, probability: npt.NDArray[np.float32], unfamiliarity: npt.NDArray[np.float32], reason: str
    ) -> list[Classification]:
        return [
            Classification(
                p,
                u,
                Label.UNIDENTIFIED if reason else label_for(p, u, self.thresholds),
                self.thresholds,
                self.identity,
                self.engine_name,
                reason=reason,
            )
            for p, u in zip(probability.tolist(), unfamiliarity.tolist(), strict=True)
        ]
