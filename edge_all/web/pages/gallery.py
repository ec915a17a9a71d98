"""Gallery of a session's cells, with their verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edge_all.errors import ReviewError
from edge_all.i18n.catalog import text
from edge_all.record.events.incidents import doubts
from edge_all.record.events.verdicts import (
    Verdict,
    give_verdicts,
    latest_verdicts,
    standing_approval,
    undo_last,
)
from edge_all.record.maintenance.deletion import deletions
from edge_all.record.maintenance.retention import deletions_for_room
from edge_all.record.queries import (
    CellLabel,
    cell_labels,
    cells_by_number,
    find_session,
    kept_frames,
    kinds_of,
    labels_of,
)
from edge_all.record.rows import SessionRow
from edge_all.record.sessions.lock import unended
from edge_all.record.store import Record
from edge_all.reports.cautions import cautions
from edge_all.review.cell_filter import Choice, chosen
from edge_all.review.differential import IN_DOUBT, differential, kind_of
from edge_all.web.context import browser_session_of, context_of, form_of
from edge_all.web.security.permissions import needs
from edge_all.web.templating import render

CARDS_A_PAGE = 60


@dataclass(frozen=True)
class Card:
    """Cell of a gallery."""

    number: int
    label: str
    """Label given by the model."""
    kind: str | None
    """Kind given by the model, for a label that has kinds; None in doubt."""
    probability: float | None
    verdict: Verdict | None
    size_um: float
    has_picture: bool

    @property
    def differs(self) -> bool:
        """True if the verdict is another label or kind than the model's. A verdict without a kind leaves it open."""
        verdict = self.verdict
        if verdict is None:
            return False
        return verdict.label != self.label or (None not in (verdict.kind, self.kind) and verdict.kind != self.kind)


def cards_of(record: Record, session: str, numbers: list[int], verdicts: dict[int, Verdict]) -> list[Card]:
    """Return the cards of these cells, in the order of the numbers."""
    frames = kept_frames(record, session)
    return [
        Card(
            int(row["cell"]),
            str(row["label"]),
            kind_of(str(row["label"]), row["kind"]),
            row["blast_probability"],
            verdicts.get(row["cell"]),
            float(row["size_um"]),
            bool(row["crop"]) or row["frame_index"] in frames,
        )
        for row in cells_by_number(record, session, numbers)
    ]


@needs("viewer")
def gallery_page(request: Request) -> Response:
    """Show one page of cards. With part=1, return the cards only."""
    record = context_of(request).records.get()
    session = find_session(record, request.path_params["session"])
    cells = cell_labels(record, session.id)
    verdicts = latest_verdicts(record, session.id)
    choice = Choice.read(request.query_params)
    numbers = chosen(cells, verdicts, choice)
    start = _start(request.query_params.get("from", "0"))
    cards = cards_of(record, session.id, numbers[start : start + CARDS_A_PAGE], verdicts)
    following = start + CARDS_A_PAGE if start + CARDS_A_PAGE < len(numbers) else None
    values: dict[str, Any] = {"session": session, "cards": cards, "choice": choice, "following": following}
    if request.query_params.get("part") == "1":
        return render(request, "partials/cards.html", **values)
    return render(
        request,
        "gallery.html",
        **values,
        **session_values(record, session, cells, verdicts),
        found=len(numbers),
        start=start,
        in_doubt=IN_DOUBT,
    )


def session_values(
    record: Record, row: SessionRow, cells: list[CellLabel], verdicts: dict[int, Verdict]
) -> dict[str, Any]:
    """Return the values shown at the top of each page of a session."""
    session = row.id
    approval = standing_approval(record, session)
    counted = differential(labels_of(cells), verdicts, kinds_of(cells))
    return {
        "differential": counted,
        "cautions": cautions(counted, row.counts.outside_limits),
        "cells_total": len(cells),
        "reviewed_total": sum(c.number in verdicts for c in cells),
        "approval": approval,
        "locked": approval is not None,
        "deletion": deletions(record).get(session),
        "doubts": doubts(record, session),
        "for_room": deletions_for_room(record, session),
        "unended": unended(record.folder, session) if row.ended is None else None,
    }


@needs("reviewer", named=True)
def post_verdicts(request: Request) -> Response:
    """Record one verdict on each cell, from JSON {cells: [numbers], label, kind}."""
    record = context_of(request).records.get()
    session = find_session(record, request.path_params["session"])
    form = form_of(request)
    cells, label, kind = form.get("cells"), form.get("label"), form.get("kind") or None
    if (
        not isinstance(cells, list)
        or not all(
            type(n) is int and 0 <= n < 2**31 for n in cells
        )  # bool is a subclass of int, so JSON's true must be excluded
        or not isinstance(label, str)
        or not isinstance(kind, (str, type(None)))
    ):
        raise ReviewError(text("review.no_verdict"))
    reviewer = browser_session_of(request).reviewer
    assert reviewer is not None
    given = give_verdicts(record, session.id, cells, label, kind, reviewer)
    return JSONResponse({"cells": _cell_values((v.cell for v in given), {v.cell: v for v in given})})


@needs("reviewer", named=True)
def post_undo(request: Request) -> Response:
    """Undo the last verdict of this reviewer."""
    record = context_of(request).records.get()
    session = find_session(record, request.path_params["session"])
    reviewer = browser_session_of(request).reviewer
    assert reviewer is not None
    undone = undo_last(record, session.id, reviewer)
    return JSONResponse({"cells": _cell_values((v.cell for v in undone), latest_verdicts(record, session.id))})


def _cell_values(cells: Iterable[int], standing: Mapping[int, Verdict]) -> dict[str, object]:
    return {
        str(cell): {"label": verdict.label, "kind": verdict.kind, "text": verdict_text(verdict)}
        if (verdict := standing.get(cell))
        else None
        for cell in cells
    }


def verdict_text(verdict: Verdict) -> str:
    """Return the name of the kind, if one was given, or of the label."""
    return text(f"kind.{verdict.kind}") if verdict.kind else text(f"label.{verdict.label}")


def _start(asked: str) -> int:
    return int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 8 else 0
