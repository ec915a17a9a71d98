"""What a count of cells does not say, in words beside it."""

from __future__ import annotations

from edge_all.review.catalogue import text
from edge_all.review.differential import Differential
from edge_all.session.differential import ENOUGH_CELLS


def cautions(counted: Differential) -> tuple[str, ...]:
    """Few cells, and no blast among them: each a sentence."""
    cells, blasts = counted.leukocytes, counted.share("blast")
    said = []
    if counted.few:
        said.append(text("caution.few", cells=cells, enough=ENOUGH_CELLS, better=2 * ENOUGH_CELLS))
    if blasts.count == 0:
        said.append(text("caution.no_blast", cells=cells, high=f"{blasts.high:.1f}"))
    return tuple(said)
