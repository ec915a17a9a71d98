"""Page of one cell: its field, its views, measurements and occlusion map."""

from __future__ import annotations

import importlib.util
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from edge_all.errors import NotRecordedError
from edge_all.record.events.verdicts import all_verdicts, latest_verdicts, standing
from edge_all.record.queries import (
    cell_labels,
    cells_elsewhere,
    cells_of_frame,
    find_cell,
    find_session,
    frame_size,
    kept_views,
)
from edge_all.record.rows import CellRow, SessionRow
from edge_all.record.store import Record
from edge_all.review.cell_filter import Choice, chosen
from edge_all.web.context import context_of, path_number
from edge_all.web.pages.gallery import cards_of, session_values
from edge_all.web.security.permissions import needs
from edge_all.web.templating import render

_MORPHOLOGY = "edge_all.reports.morphology"


@needs("viewer")
def cell_page(request: Request) -> Response:
    """Show the cell in its field, with its verdicts."""
    record, session, row = found(request)
    number = int(row["cell"])
    cells = cell_labels(record, session.id)
    given = all_verdicts(record, session.id)
    verdicts = {v.cell: v for v in standing(given)}
    choice = Choice.read(request.query_params)
    order = chosen(cells, verdicts, choice)
    at = order.index(number) if number in order else -1
    views = kept_views(record, session.id, number)
    own = views[0] if views and views[0].frame_index == row["frame_index"] else None
    size = frame_size(record, session.id, int(row["frame_index"]))
    return render(
        request,
        "cell.html",
        session=session,
        cell=row,
        number=number,
        card=cards_of(record, session.id, [number], verdicts)[0],
        trail=[v for v in given if v.cell == number][::-1],
        stands={v.id for v in standing(given)},
        before=order[at - 1] if at > 0 else None,
        after=order[at + 1] if 0 <= at < len(order) - 1 else None,
        choice=choice,
        views=views,
        field_size=size if own is not None else None,
        in_field=cells_of_frame(record, session.id, int(row["frame_index"])) if own is not None else [],
        elsewhere=cells_elsewhere(record, session.id, int(row["frame_index"])) if own is not None else [],
        verdicts=verdicts,
        has_morphology=importlib.util.find_spec(_MORPHOLOGY) is not None and bool(row["crop"]),
        **session_values(record, session, cells, verdicts),
    )


@needs("viewer")
def morphology_part(request: Request) -> Response:
    """Return the measurements of the cell, if the module for them is installed."""
    record, _, row = found(request)
    if importlib.util.find_spec(_MORPHOLOGY) is None:
        raise NotRecordedError("this program cannot measure cells", "update edge-all")
    measured = importlib.import_module(_MORPHOLOGY).recorded_morphology(record.folder, [row])[row["cell"]]
    values: dict[str, Any] = measured.as_dict() if measured is not None else {}
    return render(request, "partials/morphology.html", values=values)


@needs("viewer")
def neighbors_part(request: Request) -> Response:
    """Return the most similar cells of the session."""
    record, session, row = found(request)
    numbers = context_of(request).appearance.neighbors(record.folder, record.cells(session.id), int(row["cell"]))
    verdicts = latest_verdicts(record, session.id)
    return render(
        request,
        "partials/neighbors.html",
        session=session,
        cards=cards_of(record, session.id, numbers, verdicts),
        choice=Choice(),
        following=None,
    )


def found(request: Request) -> tuple[Record, SessionRow, CellRow]:
    """Return the record, session and cell of a path.

    Raises:
        NotRecordedError: when there is no such cell in this session.
    """
    record = context_of(request).records.get()
    session = find_session(record, request.path_params["session"])
    return record, session, find_cell(record, session.id, path_number(request, "cell"))
