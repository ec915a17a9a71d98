"""Differential before and after review, and the progress of the review."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_all.domain.labels import LABELS
from edge_all.record.events.verdicts import Verdict, standing
from edge_all.review.agreement import Agreement, agreements
from edge_all.review.differential import Differential, differential
from edge_all.review.model_agreement import ModelAgreement, model_agreement


@dataclass(frozen=True)
class ReviewedDifferential:
    """before: the model only. after: the last verdict on each cell, or the model's label if there is none."""

    before: Differential
    after: Differential
    reviewed: int
    """Number of cells with a verdict."""
    changed: int
    """Number of these cells with a label other than the model's."""
    findings_open: int
    """Number of the model's findings without a verdict."""
    agreements: tuple[Agreement, ...]
    model_agreement: ModelAgreement | None = None
    """Agreement of the model with the reviewers on each kind; None without kinds of the model or without verdicts."""


def reviewed_differential(
    labels: Mapping[int, str], verdicts: Sequence[Verdict], kinds: Mapping[int, str] | None = None
) -> ReviewedDifferential:
    """Return the differential of a session before and after review.

    Args:
        labels: The model's label by cell number.
        verdicts: All verdicts of the session, including undone ones.
        kinds: The model's kind by cell number, as in Classification.kind; None for a model that gives none.
    """
    latest = {v.cell: v for v in standing(verdicts) if v.cell in labels}
    return ReviewedDifferential(
        before=differential(labels, kinds=kinds),
        after=differential(labels, latest, kinds),
        reviewed=len(latest),
        changed=sum(v.label != labels[n] for n, v in latest.items()),
        findings_open=sum(LABELS.is_finding(label) and n not in latest for n, label in labels.items()),
        agreements=agreements(verdicts),
        model_agreement=model_agreement(labels, kinds or {}, latest),
    )
