"""Visitors: one per browser, identified by a random cookie and held in memory only."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from edge_all.domain.roles import rank
from edge_all.record.events.verdicts import Reviewer
from edge_all.web.auth.accounts import Account

_KEPT_S = 12 * 3600.0
_MOST = 1000


@dataclass
class BrowserSession:
    """One browser. ``token`` is its cookie; its forms must contain ``csrf``."""

    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    account: Account | None = None
    given_name: str = ""
    """Name entered on the loopback without a login; not authenticated."""
    rank: int = -1
    """Rank of the role (domain/roles.py); -1 may not even view."""
    seen: float = 0.0

    def may(self, role: str) -> bool:
        """Return True if the visitor has at least this role."""
        return self.rank >= rank(role)

    @property
    def reviewer(self) -> Reviewer | None:
        """Reviewer named in the visitor's verdicts; None before a name was given."""
        if self.account is not None:
            return Reviewer(self.account.name, True)
        return Reviewer(self.given_name, False) if self.given_name else None


class BrowserSessions:
    """Visitors by cookie. Cookies not issued by this server are not accepted."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._visitors: OrderedDict[str, BrowserSession] = OrderedDict()

    def find(self, token: str | None) -> BrowserSession | None:
        """Return the visitor of a cookie, or None if not seen within twelve hours."""
        now = self._clock()
        with self._lock:
            browser_session = self._visitors.get(token or "")
            if browser_session is None or now - browser_session.seen > _KEPT_S:
                return None
            browser_session.seen = now
            self._visitors.move_to_end(browser_session.token)
            return browser_session

    def welcome(self) -> BrowserSession:
        """Return a new visitor. Memory is limited; visitors without a name are forgotten first."""
        browser_session = BrowserSession(seen=self._clock())
        with self._lock:
            if len(self._visitors) >= _MOST:
                nameless = (t for t, v in self._visitors.items() if v.reviewer is None)
                self._visitors.pop(next(nameless, next(iter(self._visitors))))
            self._visitors[browser_session.token] = browser_session
        return browser_session

    def forget(self, browser_session: BrowserSession) -> None:
        """Invalidate the visitor's cookie."""
        with self._lock:
            self._visitors.pop(browser_session.token, None)
