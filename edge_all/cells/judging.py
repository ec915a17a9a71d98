"""Judges cells: blast probability, unfamiliarity, label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_all.engines.engine import Engine
from edge_all.errors import ModelError, UsageError
from edge_all.vocabulary import Image, Judgement, Label, ModelIdentity, Thresholds


def label_for(blast_probability: float, unfamiliarity: float, thresholds: Thresholds) -> Label:
    """The label that the thresholds give."""
    if unfamiliarity >= thresholds.unfamiliar:
        return Label.UNIDENTIFIED
    if blast_probability >= thresholds.blast:
        return Label.BLAST
    return Label.NORMAL if blast_probability < thresholds.normal else Label.UNIDENTIFIED


class Judge:
    """Crops -> judgements, in batches."""

    def __init__(self, engine: Engine, blast_threshold: float | None = None, max_batch: int = 32) -> None:
        """blast_threshold: in place of the model file's own; not under its lower one."""
        self._engine = engine
        self._max_batch = max_batch
        own = engine.contract.thresholds
        blast = own["blast"] if blast_threshold is None else blast_threshold
        if not own["normal"] <= blast <= 1.0:
            raise UsageError(
                f"the blast threshold {blast:g} is outside {own['normal']:g} to 1",
                f"the lower threshold of {engine.contract.name} is {own['normal']:g}; take one above it",
            )
        self.thresholds = Thresholds(blast, own["normal"], own["unfamiliar"])

    @property
    def identity(self) -> ModelIdentity:
        return self._engine.identity

    @property
    def engine_name(self) -> str:
        return self._engine.name

    def judge(self, crops: Sequence[Image]) -> list[Judgement]:
        """One judgement for each crop, in order. crops: RGB uint8, side x side x 3 of the contract."""
        judged: list[Judgement] = []
        for start in range(0, len(crops), self._max_batch):
            judged += self._batch(crops[start : start + self._max_batch])
        return judged

    def _batch(self, crops: Sequence[Image]) -> list[Judgement]:
        probability, unfamiliarity = (np.asarray(o).reshape(len(crops)) for o in self._engine.run(np.stack(crops)))
        if not (np.isfinite(probability).all() and np.isfinite(unfamiliarity).all()):
            raise ModelError(
                f"{self._engine.contract.name} gave a value that is no number",
                "the model file is damaged: export it again",
            )
        return [
            Judgement(
                float(p),
                float(u),
                label_for(float(p), float(u), self.thresholds),
                self.thresholds,
                self.identity,
                self.engine_name,
            )
            for p, u in zip(probability, unfamiliarity, strict=True)
        ]
