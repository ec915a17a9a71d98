"""Cautions shown with a count of cells."""

from __future__ import annotations

from edge_all.domain.statistics import ENOUGH_CELLS
from edge_all.i18n.catalog import text
from edge_all.review.differential import Differential


def cautions(counted: Differential) -> tuple[str, ...]:
    """Return one sentence for each caution: too few cells, and no blasts among them."""
    cells, blasts = counted.leukocytes, counted.blasts
    sentences = []
    if counted.few:
        sentences.append(text("caution.few", cells=cells, enough=ENOUGH_CELLS, better=2 * ENOUGH_CELLS))
    if blasts.count == 0:
        sentences.append(text("caution.no_blast", cells=cells, high=f"{blasts.high:.1f}"))
    return tuple(sentences)
