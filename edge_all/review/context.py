"""What all pages share."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from edge_all.errors import NotRecordedError, ReviewError
from edge_all.record.by_thread import RecordByThread
from edge_all.review.accounts import ROLES, Accounts
from edge_all.review.appearance import Appearance
from edge_all.review.live_view import LiveView
from edge_all.review.login_limits import LoginLimits
from edge_all.review.saliency import SaliencyMaps
from edge_all.review.visitors import Visitor, Visitors
from edge_all.session.station import Station

if TYPE_CHECKING:
    from starlette.requests import Request

    from edge_all.service.device_state import DeviceState

MOST_WATCHERS = 8


@dataclass(eq=False)
class ReviewContext:
    """One server's. ``station`` and ``live`` are there while a microscope is at hand."""

    records: RecordByThread
    accounts: Accounts
    models: Path
    loopback: bool = True
    """Served on this machine only: whoever reaches it may look and review without logging in."""
    secure: bool = False
    """Served over TLS."""
    port: int = 0
    host_names: frozenset[str] = frozenset()
    """Names that a Host header may carry besides addresses; on the loopback the only ones."""
    station: Station | None = None
    live: LiveView | None = None
    device: DeviceState | None = None
    """What /metrics and /healthz tell."""
    monitoring_token: str = ""
    """Whoever asks those from another machine must bear it."""
    visitors: Visitors = field(default_factory=Visitors)
    limits: LoginLimits = field(default_factory=LoginLimits)
    watchers: int = 0
    closing: bool = False
    """Endless answers end."""

    def __post_init__(self) -> None:
        self.appearance = Appearance()
        self.saliency = SaliencyMaps(self.models)

    @property
    def cookie(self) -> str:
        """Its name. Cookies know no ports: two servers on one machine must not overwrite each other's."""
        return f"{'__Host-' if self.secure else ''}edge_all_{self.port}"

    def admit(self, visitor: Visitor) -> None:
        """Set what a visitor may do now: an account that was removed or changed in the meantime is logged out."""
        accounts = self.accounts.all()
        if visitor.account is not None:
            now = accounts.get(visitor.account.name)
            same = now is not None and now.password_hash == visitor.account.password_hash
            visitor.account = now if same else None
        if visitor.account is not None:
            visitor.rank = ROLES.index(visitor.account.role)
        elif self.loopback:
            has_admin = any(a.role == "admin" for a in accounts.values())
            visitor.rank = ROLES.index("reviewer" if has_admin else "admin")
        else:
            visitor.rank = -1

    def refuse_running(self, session: str) -> None:
        """Raises ReviewError while the station runs that session, a paused one as well."""
        state = self.station.state if self.station is not None else None
        if state is not None and state.phase != "idle" and state.session_id == session:
            raise ReviewError("the session is still running", "stop it first")


def context_of(request: Request) -> ReviewContext:
    """The server's."""
    return cast(ReviewContext, request.app.state.context)


def visitor_of(request: Request) -> Visitor:
    """Who asks."""
    return cast(Visitor, request.scope["edge_all.visitor"])


def form_of(request: Request) -> dict[str, object]:
    """The fields of a form or of a JSON object; small, and its CSRF token was right."""
    return cast("dict[str, object]", request.scope["edge_all.form"])


def form_text(request: Request, name: str) -> str:
    """One field as text; empty when it is absent or something else."""
    value = form_of(request).get(name)
    return value if isinstance(value, str) else ""


def path_number(request: Request, name: str) -> int:
    """A number in the path; what is none, or too large for the record, is not found. Raises NotRecordedError."""
    given = str(request.path_params[name])
    if not (given.isascii() and given.isdigit() and len(given) < 10):
        raise NotRecordedError("there is no such cell or picture in this session", "load the session's page again")
    return int(given)
