"""Summary page of a session: differential, reviewers, approval, reports and audit trail."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from edge_all.errors import NotRecordedError, UsageError
from edge_all.qc.control_runs import last_control
from edge_all.record.events.verdicts import all_verdicts, approvals, approve, by_reviewer, reopen, standing
from edge_all.record.queries import cell_labels, find_session, kinds_of, labels_of
from edge_all.reports import registry
from edge_all.reports.contents import describe_session, read_report
from edge_all.reports.differential_rows import model_agreement_rows
from edge_all.reports.sections import description_rows
from edge_all.review.agreement import agreements
from edge_all.review.differential import differential, side_by_side
from edge_all.review.model_agreement import model_agreement
from edge_all.session.calibration import recorded_adaptation
from edge_all.session.operator import recorded_operator
from edge_all.web.context import browser_session_of, context_of, form_text
from edge_all.web.pages.gallery import session_values
from edge_all.web.security.permissions import needs
from edge_all.web.templating import render

_NOTE_LENGTH = 500
_TRAIL_SHOWN = 200


@needs("viewer")
def summary_page(request: Request) -> Response:
    """Show counts before and after review, reviewers and their agreement, approval, reports and audit trail."""
    record = context_of(request).records.get()
    session = find_session(record, request.path_params["session"])
    cells = cell_labels(record, session.id)
    given = all_verdicts(record, session.id)
    verdicts = {v.cell: v for v in standing(given)}
    before = differential(labels_of(cells), kinds=kinds_of(cells))
    values = session_values(record, session, cells, verdicts)
    agreement = model_agreement(labels_of(cells), kinds_of(cells), verdicts)
    return render(
        request,
        "summary.html",
        session=session,
        before=before,
        lines=side_by_side(before, values["differential"]),
        reviewers=[(r, len(v)) for r, v in by_reviewer(given).items()],
        agreements=agreements(given),
        model_agreement=() if agreement is None else tuple(model_agreement_rows(agreement)),
        approvals=approvals(record, session.id)[::-1],
        trail=given[::-1][:_TRAIL_SHOWN],
        trail_total=len(given),
        formats=registry.FORMATS,
        operator=recorded_operator(session.settings),
        adaptation=recorded_adaptation(session.settings),
        control=last_control(before=session.begun),
        skipped=sorted(session.counts.skipped.items(), key=lambda item: -item[1]),
        **values,
    )


@needs("reviewer", named=True)
def post_approve(request: Request) -> Response:
    """Approve and lock the session."""
    record = context_of(request).records.get()
    session = find_session(record, request.path_params["session"])
    context_of(request).refuse_running(session.id)
    reviewer = browser_session_of(request).reviewer
    assert reviewer is not None
    approve(record, session.id, reviewer, form_text(request, "note")[:_NOTE_LENGTH])
    return RedirectResponse(f"/sessions/{session.id}/summary", 303)


@needs("reviewer", named=True)
def post_reopen(request: Request) -> Response:
    """Reopen the session. The approval stays in the audit trail."""
    record = context_of(request).records.get()
    session = find_session(record, request.path_params["session"])
    reviewer = browser_session_of(request).reviewer
    assert reviewer is not None
    reopen(record, session.id, reviewer, form_text(request, "note")[:_NOTE_LENGTH])
    return RedirectResponse(f"/sessions/{session.id}/summary", 303)


@needs("viewer")
def description_part(request: Request) -> Response:
    """Return the blast measurements. They are loaded on request, because measuring many takes seconds."""
    record = context_of(request).records.get()
    session = find_session(record, request.path_params["session"])
    described = describe_session(record, session.id)
    return render(request, "partials/description.html", rows=tuple(description_rows(described)), note=described.note)


@needs("viewer")
def report_file(request: Request) -> Response:
    """Return the report as a download."""
    context = context_of(request)
    record = context.records.get()
    session = find_session(record, request.path_params["session"])
    try:
        form = registry.find_format(request.path_params["form"])
    except UsageError as error:
        raise NotRecordedError("unknown report format", "the session page lists the formats") from error
    contents = read_report(record, session.id, models=context.models)
    name = f"edge-all-{session.id}{form.download_name}"
    return Response(
        registry.render(contents, form.name),
        media_type=form.media_type,
        # The report has its own styles, so it is served as a download and never as a page.
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
