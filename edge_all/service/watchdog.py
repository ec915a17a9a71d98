"""Watchdog heartbeat, sent by the analysis loop on frames and on timeouts, never by a separate thread."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edge_all.service.sd_notify import Notifier

_log = logging.getLogger(__name__)

STUCK_S = 30.0
"""A driver call that takes this long is abandoned; a new process reopens the device."""
_EVERY_S = 1.0
SLOW_STEP_S = 900.0
"""Time allowed for loading engines or for the integrity check of a large record.

CUDA's first start on a Jetson takes a minute. TensorRT's build of a named engine takes several, and reports progress.
"""


class Watchdog:
    """Heartbeat to systemd's watchdog; beat() is called on every loop iteration."""

    def __init__(self, notifier: Notifier, clock: Callable[[], float] = time.monotonic) -> None:
        self._notifier, self._clock = notifier, clock
        self._next = 0.0
        self._gone = False
        self._slow: int | None = None
        """Identifier of the thread that is in a slow step."""

    @contextmanager
    def slow_step(self) -> Iterator[None]:
        """Allow a step that blocks the loop without being a hang.

        The step may take SLOW_STEP_S, counted again from each step_goes_on().
        """
        usual_s = self._notifier.watchdog_s
        if usual_s is None or usual_s >= SLOW_STEP_S or self._slow is not None:
            yield
            return
        self._slow = threading.get_ident()
        self._notifier.watch_every(SLOW_STEP_S)
        try:
            yield
        finally:
            self._slow = None
            self._notifier.watch_every(usual_s)

    def step_goes_on(self) -> None:
        """Send a heartbeat if called by the thread that is in a slow step; ignore other threads."""
        if self._slow == threading.get_ident():
            self._notifier.alive()

    def beat(self, driver_stuck_s: float = 0.0) -> None:
        """Send a heartbeat when one is due, or request a restart when the camera driver is stuck.

        ``driver_stuck_s`` is the time since a pending driver call was made in seconds; 0 when none hangs.
        """
        if self._gone or (driver_stuck_s < STUCK_S and self._clock() < self._next):
            return
        if driver_stuck_s >= STUCK_S:
            self._gone = True
            _log.error("the camera driver has not responded for %.0f s: restarting", driver_stuck_s)
            self._notifier.restart()
            return
        self._next = self._clock() + _EVERY_S
        self._notifier.alive()
