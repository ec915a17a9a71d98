"""The sign of life: given by the loop that analyses, on frames and on time-outs; never by a thread beside it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edge_all.service.systemd import Notifier

STUCK_S = 30.0
"""A driver that has not returned for so long is not waited for: a new process gets the device anew."""
_EVERY_S = 1.0
SLOW_STEP_S = 900.0
"""Loading engines, looking a large record over: CUDA's first start on a Jetson takes a minute, TensorRT's build of a
named engine several, and tells of its progress on the way."""


class Heartbeat:
    """beat() is called from the loop as often as it turns."""

    def __init__(
        self, notifier: Notifier, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """say: told once when a driver is stuck."""
        self._notifier, self._say, self._clock = notifier, say, clock
        self._next = 0.0
        self._gone = False
        self._slow: int | None = None
        """The thread that is in a slow step."""

    @contextmanager
    def slow_step(self) -> Iterator[None]:
        """Around what keeps the loop from turning and is no hang: it may take SLOW_STEP_S, and as long again after
        every step_goes_on()."""
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
        """A sign of life, given where the thread that is in a slow step calls; none from elsewhere."""
        if self._slow == threading.get_ident():
            self._notifier.alive()

    def beat(self, driver_stuck_s: float = 0.0) -> None:
        """driver_stuck_s: how long a call of the camera's driver has not returned; 0 when none hangs."""
        if self._gone or (driver_stuck_s < STUCK_S and self._clock() < self._next):
            return
        if driver_stuck_s >= STUCK_S:
            self._gone = True
            self._say(f"the camera's driver has not returned for {driver_stuck_s:.0f} s: restarting")
            self._notifier.restart()
            return
        self._next = self._clock() + _EVERY_S
        self._notifier.alive()
