"""Access control of the pages by role."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from starlette.requests import Request
from starlette.responses import Response

from edge_all.i18n.catalog import text
from edge_all.web.context import browser_session_of
from edge_all.web.templating import refusal

Page = Callable[[Request], Response]


def needs(role: str, named: bool = False) -> Callable[[Page], Page]:
    """Return a decorator that refuses visitors without the role and, if ``named``, visitors who gave no name."""

    def decorate(page: Page) -> Page:
        @wraps(page)
        def guarded(request: Request) -> Response:
            browser_session = browser_session_of(request)
            if not browser_session.may(role):
                return refusal(request, text("refusal.role", role=text(f"role.{role}")), 403)
            if named and browser_session.reviewer is None:
                return refusal(request, text("refusal.name"), 403)
            return page(request)

        return guarded

    return decorate
