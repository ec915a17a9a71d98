"""Rendering of templates, and other responses of the pages."""

from __future__ import annotations

import re
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from edge_all.domain.labels import KINDS, LABELS, Label
from edge_all.domain.shapes import SHAPES
from edge_all.i18n.catalog import text
from edge_all.text.display_text import shown
from edge_all.web.context import browser_session_of, context_of

_TEMPLATES = Path(__file__).parent / "templates"
_LOCAL = re.compile(r"/(?![/\\])[A-Za-z0-9_\-./?=&]*")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(t=text, LABELS=LABELS, KINDS=KINDS, SHAPES=SHAPES, BLAST=Label.BLAST)
    environment.filters["shown"] = shown
    environment.filters["when"] = when
    return environment


def when(seconds: float | None) -> str:
    """Return the local time to the minute, or an empty string for None."""
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def render(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Render a page or a part of one. All values are escaped."""
    context = context_of(request)
    page = (
        _environment()
        .get_template(template)
        .render(
            browser_session=browser_session_of(request),
            has_station=context.station is not None,
            loopback=context.endpoint.loopback,
            here=request.url.path,
            **values,
        )
    )
    return HTMLResponse(page, status)


def back_to(path: str, otherwise: str = "/") -> RedirectResponse:
    """Redirect to a path of this server, or to ``otherwise`` if the path is not local."""
    return RedirectResponse(path if _LOCAL.fullmatch(path) else otherwise, 303)


def refusal(request: Request, message: str, status: int) -> Response:
    """Return a refusal in the requested form, as JSON or as a page."""
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse({"error": message}, status)
    return render(request, "refusal.html", status, message=message, status_code=status)
