"""One judgement of a cell from several views of it: the median of its three sharpest."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from edge_all.cells.judging import label_for
from edge_all.cells.known_cell import KnownCell
from edge_all.vocabulary import Judgement

VIEWS_JUDGED = 3
SHARP = 0.8
"""A view at least this sharp, compared with the best, counts."""
_REMEMBERED_CELLS = 20_000


@dataclass(frozen=True)
class _View:
    whole: bool
    sharpness: float
    judgement: Judgement


class SharpViews:
    """The judged views of each cell; memory is bounded, the cells judged longest ago make room."""

    def __init__(self) -> None:
        self._views: OrderedDict[int, tuple[_View, ...]] = OrderedDict()
        self._judgements: dict[int, Judgement] = {}

    def __contains__(self, number: int) -> bool:
        """Whether a view of this cell was judged, and is remembered."""
        return number in self._views

    def restore(self, cells: Sequence[KnownCell]) -> None:
        """Before the first view: what was judged earlier counts as one view."""
        for one in cells:
            if one.cell.judgement is not None:
                self.add(one.cell.number, one.cell.sharpness, one.whole, one.cell.judgement)

    def newest(self, number: int) -> Judgement | None:
        """The cell's judgement as of its last view; None before the first."""
        return self._judgements.get(number)

    def add(self, number: int, sharpness: float, whole: bool, judgement: Judgement) -> Judgement:
        """The cell's judgement with one more view of it. whole: the frame's edge does not cut it.

        Of three views the medians of the probability and of the unfamiliarity count, so that one odd view decides
        nothing; of one or two, the sharpest's. Views less sharp than 0.8 of the best do not count, nor those that the
        frame's edge cuts where another shows the whole cell; of more than three, the sharpest three.
        """
        before = self._views.pop(number, ())
        views = sorted((*before, _View(whole, sharpness, judgement)), key=lambda v: (not v.whole, -v.sharpness))
        best = views[0]
        views = [v for v in views if v.whole == best.whole and v.sharpness >= SHARP * best.sharpness][:VIEWS_JUDGED]
        self._views[number] = tuple(views)
        if len(self._views) > _REMEMBERED_CELLS:
            self._judgements.pop(self._views.popitem(last=False)[0])
        now = self._judgements[number] = _combined([v.judgement for v in views])
        return now


def _combined(sharpest_first: list[Judgement]) -> Judgement:
    best = sharpest_first[0]
    if len(sharpest_first) < VIEWS_JUDGED:
        return best
    probability = median(j.blast_probability for j in sharpest_first)
    unfamiliarity = median(j.unfamiliarity for j in sharpest_first)
    label = label_for(probability, unfamiliarity, best.thresholds)
    return replace(best, blast_probability=probability, unfamiliarity=unfamiliarity, label=label)
