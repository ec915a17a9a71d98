"""A microscope's station: one session after another, as commands say."""

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
    """As of now. phase: idle, starting, running, paused or stopping."""

    phase: str = "idle"
    session_id: str | None = None
    """Of the running session, else of the last one."""
    sample: str | None = None
    error: str | None = None
    """Why the last session ended early or could not begin."""
    engine: str = ""
    """What judges, of the session made last."""
    problems: tuple[str, ...] = ()
    """What is wrong with the station itself; it stays up all the same."""


class IdleView(Protocol):
    """Shows the camera's picture while no session has the camera."""

    def begin(self) -> None:
        """Take the camera, if it is not taken; returns at once."""

    def end(self) -> None:
        """Give the camera back."""


class Station:
    """Obeys Start: where a session runs, that one is ended first. All other commands are the running session's."""

    def __init__(
        self,
        camera: str,
        run_session: Callable[[Start, Callable[[Session], None]], Summary],
        idle_view: IdleView | None = None,
        turned: Callable[[], None] | None = None,
    ) -> None:
        """camera: its URI. run_session: makes and runs one session to its end, and hands it over once it is made.
        turned: called as often as the waiting loop turns, at least twice a second."""
        self.camera = camera
        self._run_session = run_session
        self._idle_view = idle_view
        self._turned = turned
        self.commands = CommandQueue()
        self.problems: tuple[str, ...] = ()
        """Shown with the state; whoever finds them sets them."""
        self.blocked: str | None = None
        """Why no session can begin now; None when one can."""
        self._closed = threading.Event()
        self._session: Session | None = None
        self._state = StationState()
        self._lock = threading.Lock()

    @property
    def state(self) -> StationState:
        """May be asked from any thread."""
        with self._lock:
            state, session = replace(self._state, problems=self.problems), self._session
        if session is None:
            return state
        phase = "stopping" if session.stopping else "paused" if session.paused else state.phase
        if not session.id and phase == "running":  # it waits for its camera's first frame
            phase = "starting"
        return replace(state, phase=phase, session_id=session.id or None, sample=session.sample)

    @property
    def session(self) -> Session | None:
        """The running one."""
        return self._session

    @property
    def closed(self) -> bool:
        """close() was called."""
        return self._closed.is_set()

    def close(self) -> None:
        """End the running session and the station; from any thread or a signal handler."""
        self._closed.set()
        session = self._session
        if session is not None:
            session.stop()

    def run(self) -> None:
        """Until close()."""
        try:
            while not self._closed.is_set():
                if self._idle_view is not None:
                    self._idle_view.begin()
                if self._turned is not None:
                    self._turned()
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
