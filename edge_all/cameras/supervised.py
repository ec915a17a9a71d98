"""Supervised camera: a device that can be lost and reconnected while the session continues."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType

from edge_all.cameras.base import Device, Settings
from edge_all.cameras.events import CameraEvent, CameraState
from edge_all.cameras.health import CameraHealth, HealthLimits
from edge_all.cameras.min_size import too_small
from edge_all.domain.types import Frame, Unreadable
from edge_all.errors import CameraError, EdgeAllError
from edge_all.text.uri import redacted

_POLL_S = 0.1
_EMPTY_PAUSE_S = 0.02
"""Pause after a read that immediately returned nothing, to avoid busy waiting."""
_STOP_TIMEOUT_S = 2.0
_MAX_STUCK = 3
"""Number of threads stuck in a driver at which no further attempt to open is made."""
_WAITING_FILES = 2


class _Opening:
    """One opening of a device, with the thread that runs it until it is closed."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.abandoned = False
        """No longer in use; the thread exits when the driver call returns."""
        self.in_driver_since: float | None = None
        self.thread: threading.Thread | None = None


class SupervisedCamera:
    """Camera whose reads never hang.

    All driver calls are made in a separate thread. If a call does not return in time, the thread is abandoned and the
    device is opened again. Only the newest frame of a live device is queued; older ones are dropped and counted.
    """

    frame_count: int | None = None

    def __init__(
        self,
        make_device: Callable[[str | None], Device],
        limits: HealthLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Create the camera without starting it. Errors of `make_device` are passed on.

        Args:
            make_device: Creates the device; called again on each reconnection, with its identity, if any.
            limits: Time limits, or None for the defaults.
            clock: Monotonic clock, in seconds.
            wall: Wall clock, in seconds since the epoch.
        """
        self._make = make_device
        self._limits = limits or HealthLimits()
        self._clock, self._wall = clock, wall
        self._first: Device | None = make_device(None)
        device = self._first
        self.uri, self.live, self.independent_fields = device.uri, device.live, device.independent_fields
        self._physical, self._silent = device.physical, device.silent
        self._changed = threading.Condition()
        self._health = self._new_health()
        self._waiting: deque[Frame | Unreadable] = deque()
        self._opening: _Opening | None = None
        self._openings: list[_Opening] = []
        self._pending_events: deque[CameraEvent] = deque()
        self._stopped = False
        self._index = 0
        self._settings: Settings | None = None
        self._error: EdgeAllError | None = None
        self.identity: str | None = None
        """Serial number or another name that does not depend on the port; None if the camera has none."""
        self.dropped = 0
        """Number of frames that were not read in time."""

    # -- state, safe to read from any thread ---------------------------------------------------------------------

    @property
    def state(self) -> CameraState:
        """Connection state: opening, works, camera lost or given up."""
        return self._health.state

    @property
    def reason(self) -> str:
        """Reason why the camera is lost; empty while it works."""
        return self._health.reason

    @property
    def reconnects(self) -> int:
        """Number of reconnections."""
        return self._health.reconnects

    @property
    def frame_age_s(self) -> float | None:
        """Seconds since the driver delivered the last frame, or None before the first."""
        return self._health.frame_age_s

    @property
    def lost_for_s(self) -> float:
        """Seconds since the last frame while the camera is lost, else 0."""
        return self._health.lost_for_s

    @property
    def lost_s(self) -> float:
        """Total seconds without the camera since start, including a current loss."""
        return self._health.lost_s_before + self._health.lost_for_s

    @property
    def settings(self) -> Settings:
        """Settings in force, with exposure, gain and white balance locked if the driver supports it."""
        return self._settings or {}

    @property
    def stuck_s(self) -> float:
        """Seconds that the longest abandoned driver call has been hanging; 0 if none hangs."""
        now = self._clock()
        with self._changed:
            since = [o.in_driver_since for o in self._openings if o.abandoned and o.in_driver_since is not None]
        return now - min(since) if since else 0.0

    def take_events(self) -> list[CameraEvent]:
        """Return and clear pending events, oldest first."""
        with self._changed:
            self._collect()
            taken = list(self._pending_events)
            self._pending_events.clear()
        return taken

    def give_up_after(self, seconds: float | None) -> None:
        """Set how long to wait for a lost camera, in seconds; None waits indefinitely. Call this before start."""
        self._limits = replace(self._limits, give_up_after_s=seconds)
        self._health = self._new_health()

    # -- camera interface ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Open the device and wait for its first frame.

        Raises:
            CameraError: when it cannot be opened or delivers no frame.
        """
        with self._changed:
            self._stopped, self._health, self._index, self.dropped = False, self._new_health(), 0, 0
            self._waiting.clear()
            self._open()
            while self._health.state is CameraState.OPENING and not self._health.reason:
                self._changed.wait(_POLL_S)
                self._health.check()
            # If it delivered a frame and was then lost, it counts as started, and read() waits for it to come back.
            reason, error = self._health.reason if not self._index else "", self._error
        if reason:
            self.stop()
            raise error or CameraError(
                f"{self.uri}: {reason}", "check plug, power and cable, and that this is the intended camera"
            )

    def read(self) -> Frame | Unreadable | None:
        """Return the next frame (of a live device, the newest), or None after stop(). Waits while the camera is lost.

        Raises:
            CameraError: when the camera was lost for longer than the time set by give_up_after.
        """
        if self._opening is None and not self._stopped:
            self.start()
        with self._changed:
            while not self._stopped:
                if self._waiting:
                    item = self._waiting.popleft()
                    self._changed.notify_all()
                    return item
                self._health.check()
                state = self._health.state
                if state is CameraState.GIVEN_UP:
                    raise CameraError(
                        f"{self.uri} was lost and did not come back within {self._limits.give_up_after_s:.0f} s "
                        f"({self._health.reason})",
                        "check plug, power and network, and start a new session; the record has all results so far",
                    )
                if self._health.waits_to_open and self._opening is not None:
                    self._opening.abandoned = True
                    self._opening = None
                if self._health.should_open:
                    self._open()
                self._changed.wait(_POLL_S)
            return None

    def stop(self) -> None:
        """Release the device. Safe to call from any thread. A hanging driver is abandoned after two seconds."""
        with self._changed:
            self._stopped = True
            openings = list(self._openings)
            for opening in openings:
                opening.abandoned = True
            self._waiting.clear()
            self._opening = None
            self._changed.notify_all()
        end = time.monotonic() + _STOP_TIMEOUT_S
        for opening in openings:
            if opening.thread is not None and opening.thread is not threading.current_thread():
                opening.thread.join(max(0.0, end - time.monotonic()))

    def __enter__(self) -> SupervisedCamera:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- called with the lock held -------------------------------------------------------------------------------

    def _new_health(self) -> CameraHealth:
        return CameraHealth(self._limits, self._physical, self._silent, self._clock, self._wall)

    def _collect(self) -> None:
        self._pending_events.extend(self._health.events)
        self._health.events.clear()

    def _add_event(self, kind: str, detail: dict[str, object]) -> None:
        self._collect()
        self._pending_events.append(
            CameraEvent(kind, self._health.wall_time(self._clock()), detail, self._health.state)
        )

    def _open(self) -> None:
        if self._opening is not None:
            self._opening.abandoned = True
            self._opening = None
        self._health.opening()
        self._error = None
        if sum(o.abandoned for o in self._openings) >= _MAX_STUCK:
            self._health.failed("it hangs in its driver")
            return
        try:
            device, self._first = self._first or self._make(self.identity), None
        except EdgeAllError as error:
            self._error = error
            self._health.failed(str(error))
            return
        opening = self._opening = _Opening(device)
        self._openings.append(opening)
        opening.thread = threading.Thread(target=self._work, args=(opening,), name="camera driver", daemon=True)
        opening.thread.start()

    # -- thread of one opening -----------------------------------------------------------------------------------

    def _work(self, opening: _Opening) -> None:
        try:
            self._open_and_read(opening)
        except EdgeAllError as error:
            self._failed(opening, str(error), error)
        except Exception as error:  # a driver may raise anything
            text = redacted(" ".join(str(error).split()))
            self._failed(opening, f"its driver failed ({type(error).__name__}: {text})")
        finally:
            opening.in_driver_since = self._clock()
            try:
                opening.device.stop()
            finally:
                opening.in_driver_since = None
                with self._changed:
                    opening.abandoned = True
                    self._openings.remove(opening)
                    self._changed.notify_all()

    def _failed(self, opening: _Opening, reason: str, error: EdgeAllError | None = None) -> None:
        with self._changed:
            if not opening.abandoned:
                opening.abandoned, self._error = True, error
                self._health.failed(reason)
                self._changed.notify_all()

    def _open_and_read(self, opening: _Opening) -> None:
        device = opening.device
        opening.in_driver_since = self._clock()
        device.start()
        opening.in_driver_since = None
        with self._changed:
            if opening.abandoned:
                return
            self._health.opened()
            self.identity = device.identity or self.identity
            self._add_event("opened", {"identity": device.identity or ""})
            self._changed.notify_all()
        settled_at: float | None = None
        locked = False
        while not opening.abandoned:
            opening.in_driver_since = asked = self._clock()
            got = device.read()
            opening.in_driver_since = None
            if got is None:
                if self._clock() - asked < _EMPTY_PAUSE_S:
                    time.sleep(_EMPTY_PAUSE_S)
                continue
            if settled_at is None:
                settled_at = self._clock() + device.settles_s
            settled = self._clock() >= settled_at
            self._take(opening, got, locked)
            if settled and not locked:
                opening.in_driver_since = self._clock()
                settings = device.lock(self._settings)
                opening.in_driver_since = None
                locked = True
                with self._changed:
                    self._settings = settings
                    if not opening.abandoned and settings:
                        self._add_event("settings", dict(settings))

    def _take(self, opening: _Opening, got: Frame | Unreadable, locked: bool) -> None:
        with self._changed:
            if opening.abandoned:
                return
            if isinstance(got, Frame):
                if not self._health.came(got.image):
                    opening.abandoned = self._health.waits_to_open
                    self._changed.notify_all()
                    return
                if not locked and opening.device.settles_s > 0:  # its exposure is still changing
                    self._changed.notify_all()
                    return
                at = self._clock()
                source = got.source or f"{self.uri}#{self._index}"
                time_ = self._health.wall_time(at)
                reason = too_small(got.image)
                got = (
                    replace(got, index=self._index, time=time_, source=source, taken_s=at)
                    if reason is None
                    else Unreadable(self._index, time_, source, reason)
                )
            else:
                got = replace(got, index=self._index)
            self._index += 1
            while self.live and self._waiting:
                self._waiting.popleft()
                self.dropped += 1
            while len(self._waiting) >= _WAITING_FILES and not opening.abandoned:
                self._changed.wait()
            self._waiting.append(got)
            self._changed.notify_all()
