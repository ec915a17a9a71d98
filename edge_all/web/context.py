"""State shared by all pages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from edge_all.domain.roles import rank
from edge_all.errors import NotRecordedError, ReviewError
from edge_all.record.thread_local import ThreadLocalRecord
from edge_all.review.saliency import SaliencyMaps
from edge_all.review.similarity import Appearance
from edge_all.session.station import Station
from edge_all.web.auth.accounts import Accounts
from edge_all.web.auth.browser_sessions import BrowserSession, BrowserSessions
from edge_all.web.auth.rate_limit import LoginRateLimit
from edge_all.web.live.live_view import LiveView

if TYPE_CHECKING:
    from starlette.requests import Request

    from edge_all.web.microscope import Microscope

MOST_WATCHERS = 8


@dataclass(frozen=True)
class Endpoint:
    """How browsers reach the pages."""

    loopback: bool = True
    """Served on this machine only, where a visitor may view and review without logging in."""
    secure: bool = False
    """Served over TLS."""
    port: int = 0
    host_names: frozenset[str] = frozenset()
    """Names allowed in a Host header, besides addresses. On the loopback, only these are allowed."""

    @property
    def cookie(self) -> str:
        """Name of the cookie. It contains the port, because cookies are shared by all ports of a machine."""
        return f"{'__Host-' if self.secure else ''}edge_all_{self.port}"


class ReviewContext:
    """State that all requests to one server share."""

    def __init__(
        self,
        records: ThreadLocalRecord,
        accounts: Accounts,
        models: Path,
        endpoint: Endpoint,
        microscope: Microscope | None = None,
    ) -> None:
        """Create the state.

        Args:
            records: The record that the pages show.
            accounts: Users who may log in.
            models: Folder of the models for occlusion maps.
            endpoint: Address at which browsers reach the pages.
            microscope: The connected microscope, or None for pages that only review.
        """
        self.records, self.accounts, self.models = records, accounts, models
        self.endpoint, self.microscope = endpoint, microscope
        self.browser_sessions, self.limits = BrowserSessions(), LoginRateLimit()
        self.appearance, self.saliency = Appearance(), SaliencyMaps(models)
        self.watchers = 0
        self.closing = False
        """True while the server shuts down; endless responses stop then."""

    @property
    def station(self) -> Station | None:
        """The microscope's station, if one is connected."""
        return self.microscope.station if self.microscope is not None else None

    @property
    def live(self) -> LiveView | None:
        """The microscope's live view, if one is connected."""
        return self.microscope.live if self.microscope is not None else None

    def admit(self, browser_session: BrowserSession) -> None:
        """Update the visitor's rank. Log out an account that was removed or changed since the login."""
        accounts = self.accounts.all()
        if browser_session.account is not None:
            now = accounts.get(browser_session.account.name)
            same = now is not None and now.password_hash == browser_session.account.password_hash
            browser_session.account = now if same else None
        if browser_session.account is not None:
            browser_session.rank = rank(browser_session.account.role)
        elif self.endpoint.loopback:
            has_admin = any(a.role == "admin" for a in accounts.values())
            browser_session.rank = rank("reviewer" if has_admin else "admin")
        else:
            browser_session.rank = -1

    def refuse_running(self, session: str) -> None:
        """Raise ReviewError while the station runs this session, even if it is paused."""
        state = self.station.state if self.station is not None else None
        if state is not None and state.phase != "idle" and state.session_id == session:
            raise ReviewError("the session is still running", "stop it first")


def context_of(request: Request) -> ReviewContext:
    """Return the context of the server."""
    return cast(ReviewContext, request.app.state.context)


def browser_session_of(request: Request) -> BrowserSession:
    """Return the visitor who sent the request."""
    return cast(BrowserSession, request.scope["edge_all.visitor"])


def form_of(request: Request) -> dict[str, object]:
    """Return the fields of a form or JSON object. Its size and CSRF token were checked."""
    return cast("dict[str, object]", request.scope["edge_all.form"])


def form_text(request: Request, name: str) -> str:
    """Return one field as text; empty if it is missing or not text."""
    value = form_of(request).get(name)
    return value if isinstance(value, str) else ""


def path_number(request: Request, name: str) -> int:
    """Return a number from the path.

    Raises:
        NotRecordedError: when it is not a number or is too large for the record.
    """
    given = str(request.path_params[name])
    if not (given.isascii() and given.isdigit() and len(given) < 10):
        raise NotRecordedError("this session has no such cell or picture", "reload the session page")
    return int(given)
