"""Microscope station: run one session after another, controlled by commands."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from edge_all.errors import EdgeAllError
from edge_all.session.commands import CommandQueue, Start
from edge_all.session.progress import Summary
from edge_all.session.session import Session

_LOOKS_EVERY_S = 0.5


@dataclass(frozen=True)
class StationState:
    """Current state of a station."""

    phase: str = "idle"
    """One of idle, starting, running, paused and stopping."""
    session_id: str | None = None
    """Id of the running session, or else of the last one."""
    sample: str | None = None
    error: str | None = None
    """Reason why the last session ended early or could not start."""
    engine: str = ""
    """Engines of the most recent session."""
    problems: tuple[str, ...] = ()
    """Problems of the station itself, which keeps running despite them."""


class IdleView(Protocol):
    """Preview of the camera while no session uses it."""

    def begin(self) -> None:
        """Open the camera if it is not open, and return immediately."""

    def end(self) -> None:
        """Release the camera."""


class Station:
    """Station that handles Start commands. The running session ends first, and handles all other commands itself."""

    def __init__(
        self,
        camera: str,
        run_session: Callable[[Start, Callable[[Session], None]], Summary],
        idle_view: IdleView | None = None,
        on_heartbeat: Callable[[], None] | None = None,
    ) -> None:
        """Create an idle station.

        Args:
            camera: The camera's URI.
            run_session: Creates one session, passes it to the given callback, and runs it to its end.
            idle_view: Preview shown while no session runs, if any.
            on_heartbeat: Called on every iteration of the waiting loop, at least twice a second.
        """
        self.camera = camera
        self._run_session = run_session
        self._idle_view = idle_view
        self._on_heartbeat = on_heartbeat
        self.commands = CommandQueue()
        self.problems: tuple[str, ...] = ()
        """Problems shown with the state, set by the code that detects them."""
        self.blocked: str | None = None
        """Reason why no session can start now, or None if one can."""
        self._closed = threading.Event()
        self._session: Session | None = None
        self._state = StationState()
        self._lock = threading.Lock()

    @property
    def state(self) -> StationState:
        """Current state. Safe to read from any thread."""
        with self._lock:
            state, session = replace(self._state, problems=self.problems), self._session
        if session is None:
            return state
        phase = "stopping" if session.stopping else "paused" if session.paused else state.phase
        if not session.id and phase == "running":  # waiting for the camera's first frame
            phase = "starting"
        return replace(state, phase=phase, session_id=session.id or None, sample=session.sample)

    @property
    def session(self) -> Session | None:
        """The running session, if any."""
        return self._session

    @property
    def closed(self) -> bool:
        """True once close() was called."""
        return self._closed.is_set()

    def close(self) -> None:
        """End the running session and the station. Safe to call from any thread and from a signal handler."""
        self._closed.set()
        session = self._session
        if session is not None:
            session.stop()

    def run(self) -> None:
        """Run sessions as commanded until close() is called."""
        try:
            while not self._closed.is_set():
                if self._idle_view is not None:
                    self._idle_view.begin()
                if self._on_heartbeat is not None:
                    self._on_heartbeat()
                self.commands.wait(_LOOKS_EVERY_S)
                taken = self.commands.take()
                first = next((i for i, c in enumerate(taken) if isinstance(c, Start)), None)
                if first is not None and not self._closed.is_set():
                    start = taken[first]
                    assert isinstance(start, Start)
                    later = taken[first + 1 :]
                    while later and later[0] == start:  # a button pressed twice, a barcode read twice
                        later.pop(0)
                    self.commands.put_back(later)
                    self._one(start)
        finally:
            if self._idle_view is not None:
                self._idle_view.end()

    def _one(self, start: Start) -> None:
        if self.blocked is not None:
            self._set(StationState("idle", None, start.sample, self.blocked, self.state.engine))
            return
        if self._idle_view is not None:
            self._idle_view.end()
        self._set(StationState("starting", None, start.sample, engine=self.state.engine))
        error: str | None = None
        ended: str | None = None
        try:
            summary = self._run_session(start, self._made)
            ended, error = summary.session_id, summary.error_in_words
        except EdgeAllError as failed:
            error = str(failed)
        finally:
            with self._lock:
                self._session = None
            self._set(StationState("idle", ended, start.sample, error, self.state.engine))

    def _made(self, session: Session) -> None:
        with self._lock:
            self._session = session
            self._state = replace(self._state, phase="running", engine=session.engines_in_words)
        if self._closed.is_set():
            session.stop()

    def _set(self, state: StationState) -> None:
        with self._lock:
            self._state = state
