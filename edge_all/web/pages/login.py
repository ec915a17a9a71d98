"""Login, logout, and names given without an account."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from edge_all.errors import UsageError
from edge_all.i18n.catalog import text
from edge_all.web.auth.accounts import check_name
from edge_all.web.context import browser_session_of, context_of, form_text
from edge_all.web.security.permissions import needs
from edge_all.web.templating import back_to, refusal, render


def login_page(request: Request) -> Response:
    """Show the login form."""
    return render(request, "login.html", message="", name="")


def post_login(request: Request) -> Response:
    """Check name and password. Repeated failures increase the wait."""
    context, old = context_of(request), browser_session_of(request)
    name, password = form_text(request, "name").strip(), form_text(request, "password")
    keys = [f"name {name[:100]}", f"address {request.client.host if request.client else ''}"]
    wait = context.limits.wait_s(keys)
    if wait > 0:
        answer = render(request, "login.html", 429, message=text("login.wait", seconds=int(wait) + 1), name="")
        answer.headers["Retry-After"] = str(int(wait) + 1)
        return answer
    account = context.accounts.check(name, password)
    if account is None:
        context.limits.wrong(keys)
        return render(request, "login.html", 403, message=text("login.wrong"), name="")
    context.limits.right(keys)
    # Issue a new cookie, so one planted before the login is worthless.
    browser_session = context.browser_sessions.welcome()
    browser_session.account = account
    context.browser_sessions.forget(old)
    request.scope["edge_all.new_cookie"] = browser_session.token
    return RedirectResponse("/", 303)


def post_logout(request: Request) -> Response:
    """Log out and invalidate the cookie."""
    context = context_of(request)
    context.browser_sessions.forget(browser_session_of(request))
    request.scope["edge_all.new_cookie"] = context.browser_sessions.welcome().token
    return RedirectResponse("/", 303)


@needs("reviewer")
def post_name(request: Request) -> Response:
    """Set the name for verdicts without a login (loopback only). It is recorded as not authenticated."""
    try:
        name = check_name(form_text(request, "name"))
    except UsageError as error:
        return refusal(request, str(error), 400)
    browser_session_of(request).given_name = name
    return back_to(form_text(request, "back"))


def help_page(request: Request) -> Response:
    """Show keys and marks."""
    return render(request, "help.html")
