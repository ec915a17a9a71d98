"""ASGI application of the web pages."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from edge_all.errors import EdgeAllError, NotRecordedError, RecordError
from edge_all.i18n.catalog import load_texts, text
from edge_all.web import label_style
from edge_all.web.context import ReviewContext
from edge_all.web.pages import cell, gallery, live, login, monitoring, pictures, sessions, summary
from edge_all.web.security.middleware import SecurityMiddleware
from edge_all.web.templating import refusal

_STATIC = Path(__file__).parent / "static"


def make_app(context: ReviewContext) -> Starlette:
    """Return the application with all routes behind the security middleware."""
    session, one_cell = "/sessions/{session}", "/sessions/{session}/cells/{cell}"
    routes = [
        Route("/", live.first_page),
        Route("/live", live.live_page),
        Route("/live/state", live.live_state),
        Route("/live/picture.mjpg", live.live_stream),
        Route("/live/picture.jpg", live.live_picture),
        Route("/live/command", live.live_command, methods=["POST"]),
        Route("/login", login.login_page),
        Route("/login", login.post_login, methods=["POST"]),
        Route("/logout", login.post_logout, methods=["POST"]),
        Route("/name", login.post_name, methods=["POST"]),
        Route("/help", login.help_page),
        Route("/metrics", monitoring.metrics),
        Route("/healthz", monitoring.healthz),
        Route("/sessions", sessions.sessions_page, methods=["GET", "POST"]),
        Route("/sessions/compare", sessions.compare_page),
        Route(session, gallery.gallery_page),
        Route(f"{session}/summary", summary.summary_page),
        Route(f"{session}/verdicts", gallery.post_verdicts, methods=["POST"]),
        Route(f"{session}/undo", gallery.post_undo, methods=["POST"]),
        Route(f"{session}/approve", summary.post_approve, methods=["POST"]),
        Route(f"{session}/reopen", summary.post_reopen, methods=["POST"]),
        Route(f"{session}/delete", sessions.delete_session, methods=["POST"]),
        Route(f"{session}/description", summary.description_part),
        Route(f"{session}/report/{{form}}", summary.report_file),
        Route(f"{session}/fields/{{frame}}", pictures.field_picture),
        Route(one_cell, cell.cell_page),
        Route(f"{one_cell}/crop", pictures.crop_picture),
        Route(f"{one_cell}/views/{{frame}}", pictures.view_picture),
        Route(f"{one_cell}/saliency", pictures.saliency_picture),
        Route(f"{one_cell}/morphology", cell.morphology_part),
        Route(f"{one_cell}/neighbors", cell.neighbors_part),
        Route(label_style.PATH, label_style.label_style),
        Mount("/static", StaticFiles(directory=_STATIC)),
    ]
    load_texts()
    app = Starlette(
        routes=routes,
        middleware=[Middleware(SecurityMiddleware, context=context)],
        exception_handlers={
            EdgeAllError: _error_page,  # type: ignore[dict-item]
            HTTPException: _http_error,  # type: ignore[dict-item]
        },
    )
    app.state.context = context
    return app


def _error_page(request: Request, error: EdgeAllError) -> Response:
    status = 404 if isinstance(error, NotRecordedError) else 503 if isinstance(error, RecordError) else 409
    return refusal(request, str(error), status)


def _http_error(request: Request, error: HTTPException) -> Response:
    known = f"status.{error.status_code}"
    return refusal(request, load_texts().get(known, text("status.other")), error.status_code)
