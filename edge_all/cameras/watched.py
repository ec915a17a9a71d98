"""Any device as a camera that may be lost and comes back, while the session goes on."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType

from edge_all.cameras.camera import Device, Settings
from edge_all.cameras.camera_state import CameraEvent, CameraState
from edge_all.cameras.device_uri import without_passwords
from edge_all.cameras.least_size import too_small
from edge_all.cameras.vigil import Limits, Vigil
from edge_all.errors import CameraError, EdgeAllError
from edge_all.vocabulary import Frame, Unreadable

_LOOKS_EVERY_S = 0.1
_EMPTY_PAUSE_S = 0.02
"""After a read that brought nothing at once: no busy waiting."""
_STOPPING_S = 2.0
_MOST_STUCK = 3
"""Threads that a driver has not let go of; no further try to open while there are so many."""
_WAITING_FILES = 2


class _Turn:
    """One opening of a device, in a thread of its own, to its end."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.over = False
        """Nobody wants its frames any more; it ends as soon as the driver lets it."""
        self.in_driver_since: float | None = None
        self.thread: threading.Thread | None = None


class WatchedCamera:
    """A camera like any other. Its reads never hang: every call of the driver is made in a thread of its own, and one
    that does not return in time is left to itself while the device is opened anew.

    Of a live device only the newest frame waits to be read; older ones are dropped and counted.
    """

    frame_count: int | None = None

    def __init__(
        self,
        make_device: Callable[[str | None], Device],
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """make_device: makes the device anew, told the identity it had before, if any. clock: monotonic seconds.
        Raises what make_device raises."""
        self._make = make_device
        self._limits = limits or Limits()
        self._clock, self._wall = clock, wall
        self._first: Device | None = make_device(None)
        device = self._first
        self.uri, self.live, self.independent_fields = device.uri, device.live, device.independent_fields
        self._physical, self._silent = device.physical, device.silent
        self._changed = threading.Condition()
        self._vigil = self._new_vigil()
        self._waiting: deque[Frame | Unreadable] = deque()
        self._turn: _Turn | None = None
        self._turns: list[_Turn] = []
        self._told: deque[CameraEvent] = deque()
        self._stopped = False
        self._index = 0
        self._settings: Settings | None = None
        self._error: EdgeAllError | None = None
        self.identity: str | None = None
        """Serial number or another name that stays when the camera is plugged in elsewhere; None where it has none."""
        self.dropped = 0
        """Frames that nobody took in time."""

    # -- what is shown of it; from any thread --------------------------------------------------------------------

    @property
    def state(self) -> CameraState:
        """opening, works, camera lost or given up."""
        return self._vigil.state

    @property
    def reason(self) -> str:
        """Why it is lost; empty when it works."""
        return self._vigil.reason

    @property
    def reconnects(self) -> int:
        """How often it came back."""
        return self._vigil.reconnects

    @property
    def frame_age_s(self) -> float | None:
        """Seconds since the driver gave the last frame; None before the first."""
        return self._vigil.frame_age_s

    @property
    def lost_for_s(self) -> float:
        """Seconds since the last frame while it is lost, else 0."""
        return self._vigil.lost_for_s

    @property
    def lost_s(self) -> float:
        """All seconds without it since start, gaps that have ended and the one now."""
        return self._vigil.lost_s_before + self._vigil.lost_for_s

    @property
    def settings(self) -> Settings:
        """What it is set to, exposure, gain and white balance locked where the driver can."""
        return self._settings or {}

    @property
    def stuck_s(self) -> float:
        """How long a call of the driver has not returned after the camera was given up on for it; 0 when none hangs."""
        now = self._clock()
        with self._changed:
            since = [t.in_driver_since for t in self._turns if t.over and t.in_driver_since is not None]
        return now - min(since) if since else 0.0

    def take_events(self) -> list[CameraEvent]:
        """What befell it since the last call, in order."""
        with self._changed:
            self._collect()
            taken = list(self._told)
            self._told.clear()
        return taken

    def give_up_after(self, seconds: float | None) -> None:
        """How long a lost camera is waited for; None: without end. Before start."""
        self._limits = replace(self._limits, give_up_after_s=seconds)
        self._vigil = self._new_vigil()

    # -- the camera ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Open it and wait for its first frame. Raises CameraError."""
        with self._changed:
            self._stopped, self._vigil, self._index, self.dropped = False, self._new_vigil(), 0, 0
            self._waiting.clear()
            self._begin()
            while self._vigil.state is CameraState.OPENING and not self._vigil.reason:
                self._changed.wait(_LOOKS_EVERY_S)
                self._vigil.look()
            # One that gave a frame and was lost before anybody looked has started: it is waited for as later on.
            reason, error = self._vigil.reason if not self._index else "", self._error
        if reason:
            self.stop()
            raise error or CameraError(
                f"{self.uri}: {reason}", "check plug, power and cable, and that it is the one meant"
            )

    def read(self) -> Frame | Unreadable | None:
        """The next frame, for a live device the newest; waits while the camera is lost; None after stop().

        Raises CameraError when it was lost for longer than is waited for.
        """
        if self._turn is None and not self._stopped:
            self.start()
        with self._changed:
            while not self._stopped:
                if self._waiting:
                    item = self._waiting.popleft()
                    self._changed.notify_all()
                    return item
                self._vigil.look()
                state = self._vigil.state
                if state is CameraState.GIVEN_UP:
                    raise CameraError(
                        f"{self.uri} was lost and did not come back within {self._limits.give_up_after_s:.0f} s "
                        f"({self._vigil.reason})",
                        "check plug, power and network, and begin a new session; what was seen is in the record",
                    )
                if self._vigil.waits_to_open and self._turn is not None:
                    self._turn.over = True
                    self._turn = None
                if self._vigil.should_open:
                    self._begin()
                self._changed.wait(_LOOKS_EVERY_S)
            return None

    def stop(self) -> None:
        """Release the device; from any thread. A driver that hangs is left to itself after two seconds."""
        with self._changed:
            self._stopped = True
            turns = list(self._turns)
            for turn in turns:
                turn.over = True
            self._waiting.clear()
            self._turn = None
            self._changed.notify_all()
        end = time.monotonic() + _STOPPING_S
        for turn in turns:
            if turn.thread is not None and turn.thread is not threading.current_thread():
                turn.thread.join(max(0.0, end - time.monotonic()))

    def __enter__(self) -> WatchedCamera:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- under the lock ------------------------------------------------------------------------------------------

    def _new_vigil(self) -> Vigil:
        return Vigil(self._limits, self._physical, self._silent, self._clock, self._wall)

    def _collect(self) -> None:
        self._told.extend(self._vigil.events)
        self._vigil.events.clear()

    def _tell(self, kind: str, detail: dict[str, object]) -> None:
        self._collect()
        self._told.append(CameraEvent(kind, self._vigil.wall_time(self._clock()), detail, self._vigil.state))

    def _begin(self) -> None:
        if self._turn is not None:
            self._turn.over = True
            self._turn = None
        self._vigil.opening()
        self._error = None
        if sum(t.over for t in self._turns) >= _MOST_STUCK:
            self._vigil.failed("it hangs in its driver")
            return
        try:
            device, self._first = self._first or self._make(self.identity), None
        except EdgeAllError as error:
            self._error = error
            self._vigil.failed(str(error))
            return
        turn = self._turn = _Turn(device)
        self._turns.append(turn)
        turn.thread = threading.Thread(target=self._work, args=(turn,), name="camera driver", daemon=True)
        turn.thread.start()

    # -- the thread of one opening -------------------------------------------------------------------------------

    def _work(self, turn: _Turn) -> None:
        try:
            self._open_and_read(turn)
        except EdgeAllError as error:
            self._failed(turn, str(error), error)
        except Exception as error:  # a driver may raise anything
            text = without_passwords(" ".join(str(error).split()))
            self._failed(turn, f"its driver failed ({type(error).__name__}: {text})")
        finally:
            turn.in_driver_since = self._clock()
            try:
                turn.device.stop()
            finally:
                turn.in_driver_since = None
                with self._changed:
                    turn.over = True
                    self._turns.remove(turn)
                    self._changed.notify_all()

    def _failed(self, turn: _Turn, reason: str, error: EdgeAllError | None = None) -> None:
        with self._changed:
            if not turn.over:
                turn.over, self._error = True, error
                self._vigil.failed(reason)
                self._changed.notify_all()

    def _open_and_read(self, turn: _Turn) -> None:
        device = turn.device
        turn.in_driver_since = self._clock()
        device.start()
        turn.in_driver_since = None
        with self._changed:
            if turn.over:
                return
            self._vigil.opened()
            self.identity = device.identity or self.identity
            self._tell("opened", {"identity": device.identity or ""})
            self._changed.notify_all()
        settled_at: float | None = None
        locked = False
        while not turn.over:
            turn.in_driver_since = asked = self._clock()
            got = device.read()
            turn.in_driver_since = None
            if got is None:
                if self._clock() - asked < _EMPTY_PAUSE_S:
                    time.sleep(_EMPTY_PAUSE_S)
                continue
            if settled_at is None:
                settled_at = self._clock() + device.settles_s
            settled = self._clock() >= settled_at
            self._take(turn, got, locked)
            if settled and not locked:
                turn.in_driver_since = self._clock()
                settings = device.lock(self._settings)
                turn.in_driver_since = None
                locked = True
                with self._changed:
                    self._settings = settings
                    if not turn.over and settings:
                        self._tell("settings", dict(settings))

    def _take(self, turn: _Turn, got: Frame | Unreadable, locked: bool) -> None:
        with self._changed:
            if turn.over:
                return
            if isinstance(got, Frame):
                if not self._vigil.came(got.image):
                    turn.over = self._vigil.waits_to_open
                    self._changed.notify_all()
                    return
                if not locked and turn.device.settles_s > 0:  # its exposure still changes
                    self._changed.notify_all()
                    return
                at = self._clock()
                source = got.source or f"{self.uri}#{self._index}"
                time_ = self._vigil.wall_time(at)
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
            while len(self._waiting) >= _WAITING_FILES and not turn.over:
                self._changed.wait()
            self._waiting.append(got)
            self._changed.notify_all()
