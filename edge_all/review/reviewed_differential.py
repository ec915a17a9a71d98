"""The differential before and after review, and how far the review has come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_all.record.verdicts import Verdict, standing
from edge_all.review.agreement import Agreement, agreements
from edge_all.review.differential import Differential, differential


@dataclass(frozen=True)
class ReviewedDifferential:
    """before: the model alone. after: the last verdict on each cell, and the model's label where there is none."""

    before: Differential
    after: Differential
    reviewed: int
    """Cells with a verdict."""
    changed: int
    """Of them, those whose label is not the model's."""
    findings_open: int
    """Blasts and unidentified ones of the model without a verdict."""
    agreements: tuple[Agreement, ...]


def reviewed_differential(labels: Mapping[int, str], verdicts: Sequence[Verdict]) -> ReviewedDifferential:
    """labels: the model's, by the cell's number. verdicts: the session's, undone ones included."""
    latest = {v.cell: v for v in standing(verdicts) if v.cell in labels}
    return ReviewedDifferential(
        before=differential(labels),
        after=differential(labels, latest),
        reviewed=len(latest),
        changed=sum(v.label != labels[n] for n, v in latest.items()),
        findings_open=sum(label in ("blast", "unidentified") and n not in latest for n, label in labels.items()),
        agreements=agreements(verdicts),
    )
