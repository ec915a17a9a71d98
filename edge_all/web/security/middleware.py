"""Security middleware: checks of host, origin, visitor, body size and token, and strict headers."""

from __future__ import annotations

import hmac
import ipaddress
import json
import logging
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge_all.errors import EdgeAllError
from edge_all.i18n.catalog import text
from edge_all.web.auth.browser_sessions import BrowserSession
from edge_all.web.context import ReviewContext
from edge_all.web.security import monitoring

_log = logging.getLogger(__name__)
_MOST_BODY = 64 << 10
_OPEN_TO_ALL = ("/login", "/static/")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    # no-referrer would make browsers send "Origin: null" with our own forms.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class SecurityMiddleware:
    """ASGI middleware that protects all pages."""

    def __init__(self, app: ASGIApp, context: ReviewContext) -> None:
        self._app = app
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or pass it on with visitor and form in the scope."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        new_cookie = ""
        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                out = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    out.setdefault(name, value)
                out.setdefault("Cache-Control", "no-cache" if scope["path"].startswith("/static/") else "no-store")
                token = scope.get("edge_all.new_cookie", new_cookie)
                if token:
                    out.append("Set-Cookie", self._cookie(token))
            await send(message)

        refusal = self._refuse(scope, headers)
        if refusal is None and scope["path"] in monitoring.PATHS:
            # Monitoring programs send requests every few seconds. They are not visitors and get no cookie.
            if scope["method"] not in ("GET", "HEAD"):
                refusal = _plain_refusal(headers, "refusal.method", 405)
            elif not monitoring.allowed(self._context, headers.get("authorization", "")):
                refusal = PlainTextResponse(text("refusal.login"), 401, {"WWW-Authenticate": "Bearer"})
        elif refusal is None:
            known = self._context.browser_sessions.find(_cookie_of(headers, self._context.endpoint.cookie))
            browser_session = known or self._context.browser_sessions.welcome()
            new_cookie = "" if known else browser_session.token
            refusal = await self._admit(scope, headers, receive, browser_session)
        if refusal is not None:
            await refusal(scope, receive, send_guarded)
            return
        try:
            await self._app(scope, receive, send_guarded)
        except Exception as error:
            # Log the path only, because it contains no name of a sample or a person.
            _log.error("Internal error at %.100r", scope["path"], exc_info=error)
            if started:
                raise
            await _plain_refusal(headers, "status.500", 500)(scope, receive, send_guarded)

    async def _admit(
        self, scope: Scope, headers: Headers, receive: Receive, browser_session: BrowserSession
    ) -> Response | None:
        """Put visitor and form into the scope. Return a refusal if the token is wrong or a login is needed."""
        try:
            self._context.admit(browser_session)
        except EdgeAllError as error:
            return PlainTextResponse(str(error), 503)
        scope["edge_all.visitor"] = browser_session
        scope["edge_all.form"] = {}
        if scope["method"] not in ("GET", "HEAD"):
            form = await _read_form(Request(scope, receive))
            if form is None:
                return _plain_refusal(headers, "refusal.body", 413)
            given = headers.get("x-csrf-token") or form.get("csrf")
            if not isinstance(given, str) or not hmac.compare_digest(_bytes(given), browser_session.csrf.encode()):
                return _plain_refusal(headers, "refusal.token", 403)
            scope["edge_all.form"] = form
        if browser_session.rank >= 0 or scope["path"].startswith(_OPEN_TO_ALL):
            return None
        if "text/html" in headers.get("accept", "") and scope["method"] == "GET":
            return RedirectResponse("/login", 303)
        return _plain_refusal(headers, "refusal.login", 401)

    def _refuse(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or not self._knows(host):
            return _plain_refusal(headers, "refusal.host", 421)
        if scope["method"] in ("GET", "HEAD"):
            return None
        if scope["method"] != "POST":
            return _plain_refusal(headers, "refusal.method", 405)
        own = f"{'https' if self._context.endpoint.secure else 'http'}://{host}"
        if headers.get("origin", "").lower() != own.lower():
            return _plain_refusal(headers, "refusal.origin", 403)
        return None

    def _knows(self, host: str) -> bool:
        """Return True for a known host. A foreign name that resolves to this machine (DNS rebinding) is refused."""
        try:
            parts = urlsplit(f"//{host}")
            name, port = (parts.hostname or "").lower(), parts.port
        except ValueError:
            return False
        usual = 443 if self._context.endpoint.secure else 80
        if (port or usual) != self._context.endpoint.port and self._context.endpoint.port:
            return False
        if name in self._context.endpoint.host_names or name == "localhost":
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not self._context.endpoint.loopback

    def _cookie(self, token: str) -> str:
        secure = "; Secure" if self._context.endpoint.secure else ""
        return f"{self._context.endpoint.cookie}={token}; Path=/; HttpOnly; SameSite=Strict{secure}"


def _plain_refusal(headers: Mapping[str, str], name: str, status: int) -> Response:
    """Return a refusal in the requested form. The scripts of the pages can read only JSON."""
    if "application/json" in headers.get("accept", ""):
        return JSONResponse({"error": text(name)}, status)
    return PlainTextResponse(text(name), status)


def _cookie_of(headers: Mapping[str, str], name: str) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", "")[:4096]).get(name)
    except CookieError:
        return None
    return found.value if found else None


async def _read_form(request: Request) -> dict[str, object] | None:
    """Return the fields of a URL-encoded form or JSON object, {} for anything else, None if the body is too large."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BODY:
            return None
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    try:
        if kind == "application/json":
            read = json.loads(body)
            return read if isinstance(read, dict) else {}
        if kind == "application/x-www-form-urlencoded":
            return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=100))
    except (ValueError, RecursionError):
        return {}
    return {}


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
