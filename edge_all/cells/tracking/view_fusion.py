"""Classification of a cell from several views: the median of its three sharpest ones.

For a model that gives kinds, the medians of their probabilities count, and the label is decided from those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
import numpy.typing as npt

from edge_all.cells.classifier import label_for
from edge_all.cells.kinds import classifications, fused
from edge_all.cells.tracking.restored_cell import RestoredCell
from edge_all.domain.labels import MODEL_KINDS
from edge_all.domain.types import Classification, Label, ModelIdentity, Thresholds

VIEWS_CLASSIFIED = 3
SHARP = 0.8
"""Least sharpness of a view that counts, relative to the best view."""
_REMEMBERED_CELLS = 20_000


@dataclass(frozen=True)
class _Source:
    """All of a classification but its numbers and what follows from them."""

    thresholds: Thresholds
    model: ModelIdentity
    engine: str
    gives_kinds: bool
    reason: str
    calibration: str


@dataclass(frozen=True)
class _View:
    whole: bool
    sharpness: float
    classification: Classification


class SharpViews:
    """Classified views of each cell, in fixed-size columns that are allocated at the start.

    A cell is replaced when a cell whose number is 20,000 larger is classified.
    """

    def __init__(self) -> None:
        """Allocate the columns."""
        self._most = _REMEMBERED_CELLS
        # Fill the arrays, because the system assigns a memory page only when it is first written to.
        self._number = np.full(self._most, -1, np.int64)
        """Number of the cell in each slot; the slot is the number modulo the count of slots."""
        self._count = np.full(self._most, 0, np.int8)
        self._views = np.full((self._most, VIEWS_CLASSIFIED, 5), 0.0)
        """Views, sharpest first: whole, sharpness, blast probability, unfamiliarity, index of the classifier."""
        self._now = np.full((self._most, 3), 0.0)
        """Blast probability, unfamiliarity and classifier from all views together."""
        self._kinds = np.full((self._most, VIEWS_CLASSIFIED + 1, len(MODEL_KINDS)), 0, np.float32)
        """Probabilities of the kinds of each view, then those of all views together."""
        self._sources: list[_Source] = []
        """Classifiers used so far; engines and models change a few times per session."""

    def __contains__(self, number: int) -> bool:
        """Return True if a view of this cell was classified and is still stored."""
        return int(self._number[number % self._most]) == number

    def __len__(self) -> int:
        return int((self._number >= 0).sum())

    def restore(self, cells: Sequence[RestoredCell]) -> None:
        """Restore earlier classifications, each as one view. Call this before the first view."""
        for one in cells:
            if one.cell.classification is not None:
                self.add(one.cell.number, one.cell.sharpness, one.whole, one.cell.classification)

    def newest(self, number: int) -> Classification | None:
        """Return the cell's current classification, or None before the first view."""
        if number not in self:
            return None
        slot = number % self._most
        return self._classification(self._now[slot].tolist(), self._kinds[slot, -1])

    def add(self, number: int, sharpness: float, whole: bool, classification: Classification) -> Classification:
        """Add a view of a cell, and return the cell's updated classification.

        With three views, the medians of probability and unfamiliarity count, so that a single odd view does not decide.
        With one or two, the sharpest one counts. Views less sharp than 0.8 of the best do not count, nor do views cut
        by the frame's edge if another view shows the whole cell. Of more than three views, the sharpest three count.

        Args:
            number: Number of the cell.
            sharpness: Sharpness of the view's field.
            whole: True if the frame's edge does not cut the cell.
            classification: Classification of the view.
        """
        slot = number % self._most
        views = [_View(whole, sharpness, classification)]
        if number in self:
            before = range(self._count[slot])
            views = [*(self._view(self._views[slot, k].tolist(), self._kinds[slot, k]) for k in before), *views]
        views.sort(key=lambda v: (not v.whole, -v.sharpness))
        best = views[0]
        views = [v for v in views if v.whole == best.whole and v.sharpness >= SHARP * best.sharpness][:VIEWS_CLASSIFIED]
        now = _combined([v.classification for v in views])
        self._number[slot], self._count[slot] = number, len(views)
        for k, view in enumerate(views):
            self._views[slot, k] = (view.whole, view.sharpness, *self._row(view.classification))
            self._kinds[slot, k] = view.classification.kinds or 0
        self._now[slot], self._kinds[slot, -1] = self._row(now), now.kinds or 0
        return now

    def _row(self, classification: Classification) -> tuple[float, float, int]:
        c = classification
        source = _Source(c.thresholds, c.model, c.engine, bool(c.kinds), c.reason, c.calibration)
        if source not in self._sources:
            self._sources.append(source)
        return c.blast_probability, c.unfamiliarity, self._sources.index(source)

    def _view(self, row: Sequence[float], kinds: npt.NDArray[np.float32]) -> _View:
        return _View(bool(row[0]), row[1], self._classification(row[2:], kinds))

    def _classification(self, row: Sequence[float], kinds: npt.NDArray[np.float32]) -> Classification:
        probability, unfamiliarity, source = row
        s = self._sources[int(source)]
        if s.gives_kinds:
            return classifications(kinds[None], s.thresholds, s.model, s.engine, s.reason, s.calibration)[0]
        label = Label.UNIDENTIFIED if s.reason else label_for(probability, unfamiliarity, s.thresholds)
        return Classification(probability, unfamiliarity, label, s.thresholds, s.model, s.engine, reason=s.reason)


def _combined(sharpest_first: list[Classification]) -> Classification:
    best = sharpest_first[0]
    if len(sharpest_first) < VIEWS_CLASSIFIED:
        return best
    if all(j.kinds for j in sharpest_first):
        kinds = fused([j.kinds for j in sharpest_first])
        return classifications(kinds, best.thresholds, best.model, best.engine, best.reason, best.calibration)[0]
    probability = median(j.blast_probability for j in sharpest_first)
    unfamiliarity = median(j.unfamiliarity for j in sharpest_first)
    label = Label.UNIDENTIFIED if best.reason else label_for(probability, unfamiliarity, best.thresholds)
    return replace(best, blast_probability=probability, unfamiliarity=unfamiliarity, label=label)
