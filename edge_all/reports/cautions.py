"""Cautions shown with a count of cells."""

from __future__ import annotations

from collections.abc import Sequence

from edge_all.domain.picture_limits import NOT_LABELED, TOO_BLURRED, TOO_COARSE, TOO_COARSE_TO_FIND, OutsideLimits
from edge_all.domain.statistics import ENOUGH_CELLS
from edge_all.i18n.catalog import text
from edge_all.review.differential import Differential

_TEXTS = {
    TOO_COARSE: "too_coarse",
    TOO_BLURRED: "too_blurred",
    TOO_COARSE_TO_FIND: "too_coarse_to_find",
}


def cautions(counted: Differential, outside: Sequence[OutsideLimits] = ()) -> tuple[str, ...]:
    """Return one sentence for each caution: pictures outside the models' limits first, too few cells, no blasts.

    Args:
        counted: The counts.
        outside: The session's fields outside the limits of its models.
    """
    return (*limit_cautions(outside), *count_cautions(counted, outside))


def count_cautions(counted: Differential, outside: Sequence[OutsideLimits] = ()) -> tuple[str, ...]:
    """Return one sentence for each caution that follows from the counts: too few cells, and no blasts among them."""
    cells, blasts = counted.leukocytes, counted.blasts
    sentences = []
    if counted.few:
        sentences.append(text("caution.few", cells=cells, enough=ENOUGH_CELLS, better=2 * ENOUGH_CELLS))
    # Cells without a label do not show that there are no blasts.
    if blasts.count == 0 and not any(one.cells for one in outside):
        sentences.append(text("caution.no_blast", cells=cells, high=f"{blasts.high:.1f}"))
    return tuple(sentences)


def limit_cautions(outside: Sequence[OutsideLimits]) -> tuple[str, ...]:
    """Return one sentence for each limit of the models that the pictures were outside of."""
    # A field without cells concerns only the detector, whose limit may be why none was found.
    return tuple(
        _limit_caution(one) for one in outside if one.reason in _TEXTS and (one.cells or one.reason not in NOT_LABELED)
    )


def _limit_caution(one: OutsideLimits) -> str:
    name = f"caution.{_TEXTS[one.reason]}"
    return text(name, measured=f"{one.measured:.2f}", limit=f"{one.limit:.2f}", cells=one.cells)
