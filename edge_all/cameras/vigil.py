"""Decides from what a camera's reads bring whether it is there. Knows no thread and no driver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_all.cameras.camera_state import CameraEvent, CameraState
from edge_all.vocabulary import Image

_RETRIES_S = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0)
"""Wait before each further try to open; the last one stays."""


@dataclass(frozen=True)
class Limits:
    """When a camera counts as lost, seconds. Each is noticed within half a second, so a loss is said within 3 s."""

    no_frame_s: float = 2.0
    """A read blocks, or brings nothing, for so long."""
    same_frame_s: float = 2.0
    """A sensor's frames are bit-identical for so long."""
    first_frame_s: float = 5.0
    """From opened to the first frame: a driver may say that a device is open which gives nothing."""
    open_s: float = 10.0
    give_up_after_s: float | None = None
    """None: a lost camera is waited for without end."""


class Vigil:
    """States: opening, works, lost, given up. Every method takes the time from the clock that it was made with.

    The wall clock is read once: times of events and frames go on evenly when it is set in between.
    """

    def __init__(
        self, limits: Limits, physical: bool, silent: bool, clock: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        """clock: monotonic seconds. wall: seconds since the epoch."""
        self._limits, self._physical, self._silent = limits, physical, silent
        self._clock = clock
        self._wall_offset = wall() - clock()
        self.state = CameraState.OPENING
        self.reason = ""
        """Why it is lost, or why the last try to open failed."""
        self.reconnects = 0
        self.lost_s_before = 0.0
        """All gaps that have ended, together."""
        self.events: list[CameraEvent] = []
        self._opening: float | None = None
        self._opened: float | None = None
        self._last_frame: float | None = None
        self._changed: float = 0.0
        self._image: Image | None = None
        self._tries = 0
        self._next_try: float | None = None
        self._gap_began = 0.0

    # -- what the reads bring ------------------------------------------------------------------------------------

    def opening(self) -> None:
        """A try to open begins."""
        self._opening, self._opened, self._next_try = self._clock(), None, None

    def opened(self) -> None:
        """The driver says that the device is open."""
        self._opening, self._opened = None, self._clock()
        if self._silent:
            self._works()

    def came(self, image: Image) -> bool:
        """A frame came. False for one that is not to be handed on: it is the frozen one of before the loss."""
        now = self._clock()
        same = self._physical and self._image is not None and _same(self._image, image)
        if not same:
            self._changed = now
            if self._image is not None and self._image.shape != image.shape:
                (height, width), before = image.shape[:2], self._image.shape
                self._tell(
                    "size", {"width_px": width, "height_px": height, "before": f"{before[1]}x{before[0]}"}, self.state
                )
            self._image = image
        elif self.state is CameraState.LOST:
            return False
        elif now - self._changed > self._limits.same_frame_s:
            self._lose(f"it has given the same picture for {now - self._changed:.1f} s", self._changed)
            return False
        self._last_frame = now
        self._works()
        return True

    def failed(self, reason: str) -> None:
        """The device could not be opened, or it is gone."""
        if self.state is CameraState.WORKS:
            self._lose(reason, self._last_frame)
        else:
            self.reason = reason
            self._plan_next_try()

    def look(self) -> None:
        """Call often: notices what did not happen in time."""
        now, limits = self._clock(), self._limits
        if self.state is CameraState.WORKS and not self._silent:
            quiet = now - (self._last_frame if self._last_frame is not None else now)
            if quiet > limits.no_frame_s:
                self._lose(f"it has given no frame for {quiet:.1f} s", self._last_frame)
        elif self.state in (CameraState.OPENING, CameraState.LOST):
            if self._opening is not None and now - self._opening > limits.open_s:
                self.failed(f"it did not answer for {now - self._opening:.0f} s")
            elif self._opened is not None and now - self._opened > limits.first_frame_s:
                self.failed(f"it is open but has given no new frame for {now - self._opened:.0f} s")
        if (
            self.state is CameraState.LOST
            and limits.give_up_after_s is not None
            and now - self._gap_began >= limits.give_up_after_s
        ):
            self.state = CameraState.GIVEN_UP
            self._tell("given up", {"lasted_s": round(self.lost_for_s, 3), "reason": self.reason})

    # -- what follows --------------------------------------------------------------------------------------------

    @property
    def should_open(self) -> bool:
        """The next try is due."""
        return self._next_try is not None and self._clock() >= self._next_try

    @property
    def waits_to_open(self) -> bool:
        """The last opening is given up; the next try has not begun."""
        return self._next_try is not None

    @property
    def lost_for_s(self) -> float:
        """Seconds since the last good frame, while the camera is lost; else 0."""
        lost = self.state in (CameraState.LOST, CameraState.GIVEN_UP)
        return self._clock() - self._gap_began if lost else 0.0

    @property
    def frame_age_s(self) -> float | None:
        """Seconds since the last frame."""
        return None if self._last_frame is None else self._clock() - self._last_frame

    def wall_time(self, at: float) -> float:
        """Seconds since the epoch of a time of the clock."""
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
            self._tell("back", {"lasted_s": round(lasted, 3), "reconnects": self.reconnects})

    def _lose(self, reason: str, since: float | None) -> None:
        self.state, self.reason = CameraState.LOST, reason
        self._gap_began = since if since is not None else self._clock()
        self._tell("lost", {"reason": reason})
        self._plan_next_try()

    def _plan_next_try(self) -> None:
        self._opening = self._opened = None
        self._next_try = self._clock() + _RETRIES_S[min(self._tries, len(_RETRIES_S) - 1)]
        self._tries += 1

    def _tell(self, kind: str, detail: dict[str, object], state: CameraState | None = None) -> None:
        self.events.append(CameraEvent(kind, self.wall_time(self._clock()), detail, state or self.state))


def _same(before: Image, now: Image) -> bool:
    """Bit-identical. A picture of one colour is no sign: a lamp that is off, or far too bright, gives nothing else."""
    if before.shape != now.shape:
        return False
    few = now[::17, ::13]
    if not np.array_equal(before[::17, ::13], few) or few.min() == few.max():
        return False
    return bool(np.array_equal(before, now))
