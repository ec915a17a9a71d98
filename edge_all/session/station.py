"""A microscope's station: one session after another, as commands say."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from edge_all.errors import EdgeAllError
from edge_all.session.commands import CommandQueue, Start
from edge_all.session.session import Session, Summary

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


class Station:
    """Obeys Start where no session runs; all other commands are the running session's."""

    def __init__(self, camera: str, run_session: Callable[[Start, Callable[[Session], None]], Summary]) -> None:
        """camera: its URI. run_session: makes and runs one session to its end, and hands it over once it is made."""
        self.camera = camera
        self._run_session = run_session
        self.commands = CommandQueue()
        self._closed = threading.Event()
        self._session: Session | None = None
        self._state = StationState()
        self._lock = threading.Lock()

    @property
    def state(self) -> StationState:
        """May be asked from any thread."""
        with self._lock:
            state, session = self._state, self._session
        if session is None:
            return state
        phase = "stopping" if session.stopping else "paused" if session.paused else state.phase
        return replace(state, phase=phase, session_id=session.id or None)

    def close(self) -> None:
        """End the running session and the station; from any thread or a signal handler."""
        self._closed.set()
        session = self._session
        if session is not None:
            session.stop()

    def run(self) -> None:
        """Until close()."""
        while not self._closed.is_set():
            self.commands.wait(_LOOKS_EVERY_S)
            starts = [c for c in self.commands.take() if isinstance(c, Start)]
            if starts and not self._closed.is_set():
                self._one(starts[0])

    def _one(self, start: Start) -> None:
        self._set(StationState("starting", None, start.sample, engine=self.state.engine))
        error: str | None = None
        ended: str | None = None
        try:
            summary = self._run_session(start, self._made)
            ended, error = summary.session_id, str(summary.error) if summary.error else None
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
