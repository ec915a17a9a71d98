"""Sessions of the record: list, search, comparison, deletion."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from edge_all.domain.labels import Label
from edge_all.errors import NotRecordedError
from edge_all.record.events.verdicts import approved_sessions, latest_verdicts
from edge_all.record.maintenance.deletion import delete_pictures, deletions
from edge_all.record.queries import cell_labels, count_sessions, find_session, kinds_of, labels_of, search_sessions
from edge_all.record.sessions.lock import unended
from edge_all.review.cell_filter import Choice, chosen
from edge_all.review.differential import Share, differential, side_by_side
from edge_all.web.context import browser_session_of, context_of, form_text
from edge_all.web.pages.gallery import cards_of
from edge_all.web.security.permissions import needs
from edge_all.web.templating import render

_A_PAGE = 50
_BLASTS_COMPARED = 12
_MOST_WORDS = 200


@needs("viewer")
def sessions_page(request: Request) -> Response:
    """List sessions, newest first. A search is posted, so its words (such as a sample ID) appear in no URL or log."""
    record = context_of(request).records.get()
    words = form_text(request, "words")[:_MOST_WORDS]
    asked = form_text(request, "page") or request.query_params.get("page", "1")
    page = min(max(1, int(asked)), 10**6) if asked.isascii() and asked.isdigit() and len(asked) < 8 else 1
    total = count_sessions(record, words)
    rows = search_sessions(record, words, _A_PAGE, (page - 1) * _A_PAGE)
    station = context_of(request).station
    return render(
        request,
        "sessions.html",
        rows=[(row, Share(row.counts.blasts, row.counts.leukocytes)) for row in rows],
        approved=approved_sessions(record),
        deleted=deletions(record),
        unended={row.id: unended(record.folder, row.id) for row in rows if row.ended is None},
        running=station.state.session_id if station is not None and station.state.phase != "idle" else None,
        words=words,
        total=total,
        page=page,
        pages=max(1, -(-total // _A_PAGE)),
    )


@needs("viewer")
def compare_page(request: Request) -> Response:
    """Show two sessions side by side."""
    record = context_of(request).records.get()
    sides = []
    asked = request.query_params.getlist("session")
    if len(asked) != 2:
        return render(request, "compare_choose.html", 400)
    for identifier in asked:
        session = find_session(record, identifier)
        cells, verdicts = cell_labels(record, session.id), latest_verdicts(record, session.id)
        blasts = chosen(cells, verdicts, Choice(Label.BLAST))[:_BLASTS_COMPARED]
        model = differential(labels_of(cells), kinds=kinds_of(cells))
        reviewed = differential(labels_of(cells), verdicts, kinds_of(cells))
        sides.append(
            {
                "session": session,
                "model": model,
                "reviewed": reviewed,
                "lines": side_by_side(model, reviewed),
                "reviewed_total": sum(c.number in verdicts for c in cells),
                "cards": cards_of(record, session.id, blasts, verdicts),
            }
        )
    return render(request, "compare.html", sides=sides, choice=Choice(Label.BLAST))


@needs("admin", named=True)
def delete_session(request: Request) -> Response:
    """Delete the pictures of a session. The reason and the person's name are kept."""
    record = context_of(request).records.get()
    session = find_session(record, request.path_params["session"])
    context_of(request).refuse_running(session.id)
    if form_text(request, "confirm") != "yes":
        raise NotRecordedError("nothing was deleted", "confirm with the check box next to the button")
    reviewer = browser_session_of(request).reviewer
    assert reviewer is not None
    delete_pictures(record, session.id, reviewer, form_text(request, "reason"))
    return RedirectResponse(f"/sessions/{session.id}/summary", 303)
