"""Limits that slow down password guessing."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

FREE_TRIES = 5
_FIRST_WAIT_S = 30.0
_LONGEST_WAIT_S = 900.0
_FORGOTTEN_S = 3600.0
_MOST_KEYS = 4096


class LoginRateLimit:
    """Waiting times after failed logins.

    Five failed attempts are free. Each further one doubles the wait, from 30 s to 15 min. Attempts are counted by name
    and by address, so guessing at many names is slowed as well. An hour without an attempt resets the count.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait_s(self, keys: Sequence[str]) -> float:
        """Return the seconds until a login with these keys is allowed; 0 means now."""
        now = self._clock()
        with self._lock:
            return max((self._left(key, now) for key in keys), default=0.0)

    def wrong(self, keys: Sequence[str]) -> None:
        """Record a failed attempt."""
        now = self._clock()
        with self._lock:
            for key in keys:
                count, at = self._wrong.pop(key, (0, now))
                self._wrong[key] = (1 if now - at > _FORGOTTEN_S else count + 1, now)
            while len(self._wrong) > _MOST_KEYS:
                self._wrong.popitem(last=False)

    def right(self, keys: Sequence[str]) -> None:
        """Record a successful attempt, which resets the count."""
        with self._lock:
            for key in keys:
                self._wrong.pop(key, None)

    def _left(self, key: str, now: float) -> float:
        count, at = self._wrong.get(key, (0, now))
        if count < FREE_TRIES or now - at > _FORGOTTEN_S:
            return 0.0
        wait = min(_FIRST_WAIT_S * 2.0 ** min(count - FREE_TRIES, 20), _LONGEST_WAIT_S)
        return max(0.0, at + wait - now)
