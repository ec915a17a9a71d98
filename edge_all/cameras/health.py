"""State machine that decides from a camera's reads whether it works. Independent of threads and drivers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_all.cameras.events import CameraEvent, CameraState
from edge_all.domain.image import Image

_RETRIES_S = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0)
"""Delay before each attempt to reopen; the last value repeats."""


@dataclass(frozen=True)
class HealthLimits:
    """Time limits in seconds after which a camera counts as lost.

    Each is detected within half a second, so a loss is reported within 3 s.
    """

    no_frame_s: float = 2.0
    """Longest time without a frame, whether reads block or return nothing."""
    same_frame_s: float = 2.0
    """Longest time in which a sensor's frames are bit-identical."""
    first_frame_s: float = 5.0
    """Longest time from open to the first frame; a driver may report a device as open that delivers nothing."""
    open_s: float = 10.0
    """Longest time to open the device."""
    give_up_after_s: float | None = None
    """Longest time to wait for a lost camera, or None to wait indefinitely."""


class CameraHealth:
    """Camera state machine with the states opening, works, lost and given up.

    All methods take the time from the clock given at construction. The wall clock is read only once, so that the times
    of events and frames stay continuous when it is set.
    """

    def __init__(
        self, limits: HealthLimits, physical: bool, silent: bool, clock: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        """Create a state machine in the state opening.

        Args:
            limits: Time limits.
            physical: True for a sensor, whose frames are never bit-identical.
            silent: True if the device may deliver nothing for hours without being lost.
            clock: Monotonic clock, in seconds.
            wall: Wall clock, in seconds since the epoch.
        """
        self._limits, self._physical, self._silent = limits, physical, silent
        self._clock = clock
        self._wall_offset = wall() - clock()
        self.state = CameraState.OPENING
        self.reason = ""
        """Reason why it is lost, or why the last attempt to open failed."""
        self.reconnects = 0
        self.lost_s_before = 0.0
        """Total duration in seconds of all past losses."""
        self.events: list[CameraEvent] = []
        self._opening: float | None = None
        self._opened: float | None = None
        self._last_frame: float | None = None
        self._changed: float = 0.0
        self._image: Image | None = None
        self._tries = 0
        self._next_try: float | None = None
        self._gap_started = 0.0

    # -- events from the driver ----------------------------------------------------------------------------------

    def opening(self) -> None:
        """Note the start of an attempt to open."""
        self._opening, self._opened, self._next_try = self._clock(), None, None

    def opened(self) -> None:
        """Note that the driver reports the device as open."""
        self._opening, self._opened = None, self._clock()
        if self._silent:
            self._works()

    def came(self, image: Image) -> bool:
        """Note a frame. Returns False if it must be discarded because it is the frozen one from before the loss."""
        now = self._clock()
        same = self._physical and self._image is not None and _same(self._image, image)
        if not same:
            self._changed = now
            if self._image is not None and self._image.shape != image.shape:
                (height, width), before = image.shape[:2], self._image.shape
                self._add_event(
                    "size", {"width_px": width, "height_px": height, "before": f"{before[1]}x{before[0]}"}, self.state
                )
            self._image = image
        elif self.state is CameraState.LOST:
            return False
        elif now - self._changed > self._limits.same_frame_s:
            self._lose(f"it has delivered the same image for {now - self._changed:.1f} s", self._changed)
            return False
        self._last_frame = now
        self._works()
        return True

    def failed(self, reason: str) -> None:
        """Note that the device could not be opened or is gone."""
        if self.state is CameraState.WORKS:
            self._lose(reason, self._last_frame)
        else:
            self.reason = reason
            self._plan_next_try()

    def check(self) -> None:
        """Check the time limits. Call this often."""
        now, limits = self._clock(), self._limits
        if self.state is CameraState.WORKS and not self._silent:
            quiet = now - (self._last_frame if self._last_frame is not None else now)
            if quiet > limits.no_frame_s:
                self._lose(f"it has delivered no frame for {quiet:.1f} s", self._last_frame)
        elif self.state in (CameraState.OPENING, CameraState.LOST):
            if self._opening is not None and now - self._opening > limits.open_s:
                self.failed(f"it did not answer for {now - self._opening:.0f} s")
            elif self._opened is not None and now - self._opened > limits.first_frame_s:
                self.failed(f"it is open but has delivered no new frame for {now - self._opened:.0f} s")
        if (
            self.state is CameraState.LOST
            and limits.give_up_after_s is not None
            and now - self._gap_started >= limits.give_up_after_s
        ):
            self.state = CameraState.GIVEN_UP
            self._add_event("given up", {"lasted_s": round(self.lost_for_s, 3), "reason": self.reason})

    # -- resulting state -----------------------------------------------------------------------------------------

    @property
    def should_open(self) -> bool:
        """True if the next attempt to open is due."""
        return self._next_try is not None and self._clock() >= self._next_try

    @property
    def waits_to_open(self) -> bool:
        """True between a failed attempt to open and the next one."""
        return self._next_try is not None

    @property
    def lost_for_s(self) -> float:
        """Seconds since the last good frame while the camera is lost, else 0."""
        lost = self.state in (CameraState.LOST, CameraState.GIVEN_UP)
        return self._clock() - self._gap_started if lost else 0.0

    @property
    def frame_age_s(self) -> float | None:
        """Seconds since the last frame, or None before the first."""
        return None if self._last_frame is None else self._clock() - self._last_frame

    def wall_time(self, at: float) -> float:
        """Convert a time of the monotonic clock to seconds since the epoch."""
        return at + self._wall_offset

    def _works(self) -> None:
        self._opened = None
        if self.state is CameraState.WORKS:
            return
        lasted, was_lost = self.lost_for_s, self.state is CameraState.LOST
        self.state, self.reason, self._tries, self._next_try = CameraState.WORKS, "", 0, None
        if self._last_frame is None:
            self._last_frame = self._clock()
        if was_lost:
            self.reconnects += 1
            self.lost_s_before += lasted
            self._add_event("back", {"lasted_s": round(lasted, 3), "reconnects": self.reconnects})

    def _lose(self, reason: str, since: float | None) -> None:
        self.state, self.reason = CameraState.LOST, reason
        self._gap_started = since if since is not None else self._clock()
        self._add_event("lost", {"reason": reason})
        self._plan_next_try()

    def _plan_next_try(self) -> None:
        self._opening = self._opened = None
        self._next_try = self._clock() + _RETRIES_S[min(self._tries, len(_RETRIES_S) - 1)]
        self._tries += 1

    def _add_event(self, kind: str, detail: dict[str, object], state: CameraState | None = None) -> None:
        self.events.append(CameraEvent(kind, self.wall_time(self._clock()), detail, state or self.state))


def _same(before: Image, now: Image) -> bool:
    """Return True if two images are bit-identical.

    Images of a single color never count as identical, because a lamp that is off or far too bright gives nothing else.
    """
    if before.shape != now.shape:
        return False
    few = now[::17, ::13]
    if not np.array_equal(before[::17, ::13], few) or few.min() == few.max():
        return False
    return bool(np.array_equal(before, now))
