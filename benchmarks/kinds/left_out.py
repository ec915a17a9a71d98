"""Cells that the networks had never seen, with the decisions that the device would make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from edge_all_export.evaluate.kind_predictions import KindPredictions, decide_without
from edge_all_export.models.kind_thresholds import KindDecision
from edge_all_export.release.kind_folds import GROUP_FOLDS, SOURCES_OUT

from edge_all.cells.kinds import KindDecisions

_GROUPS = {"allidb1": "series", "deepapl": "patients", "cnmc": "subjects"}
"""Meaning of the groups of a source. Of the other sources, only single cells are known."""


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Cells that were left out, and the decisions on them by temperature and thresholds from other benches."""

    cells: KindPredictions
    decision: KindDecision
    decided: KindDecisions

    @property
    def score(self) -> npt.NDArray[np.float64]:
        """Blast probability on the device."""
        return self.decided.blast_probability

    @property
    def unit(self) -> str:
        """The unit that is resampled for an interval, which is series, patients, subjects or cells."""
        known = {_GROUPS.get(s, "cells") for s in self.cells.source.tolist()}
        return known.pop() if len(known) == 1 else "cells"

    @property
    def units(self) -> npt.NDArray[np.intp]:
        """Number of the unit of each cell."""
        if self.unit == "cells":
            return np.arange(len(self.cells), dtype=np.intp)
        return np.asarray(np.unique(self.cells.group, return_inverse=True)[1], np.intp)


def whole_sources(predictions: KindPredictions) -> dict[str, LeftOut]:
    """Return the cells of each source by the network that saw none of that source."""
    out = predictions.where(np.isin(predictions.fold, tuple(SOURCES_OUT)))
    return {source: whole(predictions, source) for source in sorted(set(out.source.tolist()))}


def whole(predictions: KindPredictions, *sources: str) -> LeftOut:
    """Return the cells of sources of one bench by the network that saw none of them."""
    return _decided(predictions, tuple(SOURCES_OUT), sources)


def in_groups(predictions: KindPredictions, source: str) -> LeftOut:
    """Return the cells of a source by networks that saw others of its groups."""
    return _decided(predictions, GROUP_FOLDS, (source,))


def _decided(predictions: KindPredictions, folds: Sequence[str], sources: Sequence[str]) -> LeftOut:
    own = predictions.where(np.isin(predictions.fold, folds) & np.isin(predictions.source, sources))
    decision = decide_without(predictions, sources)
    return LeftOut(own, decision, decision.decided(own.logits))
