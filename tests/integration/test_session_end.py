"""The end of a session that does not wait for its camera."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from edge_all.cameras.drivers.simulated import SimulatedMicroscope
from edge_all.domain.types import Frame
from edge_all.record.events.incidents import incidents
from edge_all.record.store import Record
from edge_all.session.options import SessionOptions
from edge_all.session.session import Session


class SlowCamera(SimulatedMicroscope):
    """Its third read returns when it is allowed to."""

    live = True

    def __init__(self) -> None:
        super().__init__("sim:?seed=4&fields=6&width=640&height=480&um_per_px=0.2&frames_per_field=1")
        self.held, self.go_on = threading.Event(), threading.Event()
        self._reads: Iterator[int] = iter(range(100))

    def read(self):
        if next(self._reads) == 2:
            self.held.set()
            self.go_on.wait(60)
        return super().read()


def test_it_is_in_the_record_before_a_read_returns(tmp_path):
    camera = SlowCamera()
    with Session(camera, tmp_path) as session:
        running = threading.Thread(target=session.run)
        running.start()
        assert camera.held.wait(60)
        session.stop()
        ended = None
        with Record.open(tmp_path, create=False, check=False) as record:
            # While the session waits for the camera.
            while running.is_alive() and ended is None:
                ended = record.session("last").ended
                running.join(0.05)
        was_held = not camera.go_on.is_set() and running.is_alive()
        camera.go_on.set()
        running.join(60)
    assert ended is not None
    assert was_held, "the end stood in the record while the read had not returned"


def test_nothing_keeps_a_session_that_has_ended(tmp_path):
    """Its last fields are some megabytes each; the collector of cycles may come hours later."""
    gc.collect()
    gc.disable()
    try:
        with SimulatedMicroscope("sim:?seed=4&fields=2&width=640&height=480&um_per_px=0.2") as camera:
            with Session(camera, tmp_path) as session:
                session.run()
            left = weakref.ref(session)
            del session
            assert left() is None
    finally:
        gc.enable()


class JumpingCamera(SimulatedMicroscope):
    """Gives its frames as a driver does that knows no steady time, each when the one before is recorded; the clock is
    set while the fifth is being analyzed."""

    def __init__(self) -> None:
        super().__init__("sim:?seed=4&fields=8&width=640&height=480&um_per_px=0.2&frames_per_field=1")
        self._unpaced = SimulatedMicroscope(self.uri)
        self.live = True
        self.set_by = 0.0
        self.recorded = threading.Semaphore(1)

    def wall(self) -> float:
        return time.time() + self.set_by

    def read(self):
        self.recorded.acquire(timeout=60)
        frame = self._unpaced.read()
        if isinstance(frame, Frame):
            frame = replace(frame, time=self.wall())
            if frame.index == 4:
                self.set_by = 90_000.0
        return frame


def test_a_frame_in_analysis_while_the_clock_is_set_is_recorded_by_the_new_time(tmp_path, monkeypatch):
    camera = JumpingCamera()
    monkeypatch.setattr("edge_all.record.sessions.clock.Clock.wall", lambda _: camera.wall())
    with camera, Session(camera, tmp_path, SessionOptions(max_frames=8)) as session:
        session.run(lambda _: camera.recorded.release())
    with Record.open(tmp_path, create=False) as record:
        frames = record.frames(session.id)
        assert {i.kind for i in incidents(record, session.id)} == {"clock set"}
    assert [f.index for f in frames] == list(range(8))
    assert max(abs(b.time - a.time) for a, b in pairwise(frames)) < 60
    assert frames[0].time > time.time() + 80_000
