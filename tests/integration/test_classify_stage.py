"""The classifier works in a thread of its own. Order, ends and a hang are as if it did not."""

from __future__ import annotations

import threading
import time

import pytest

from edge_all.cameras.drivers.simulated import SimulatedMicroscope
from edge_all.record.store import Record
from edge_all.session.commands import CommandQueue, NameSample
from edge_all.session.hooks import SessionHooks
from edge_all.session.options import SessionOptions
from edge_all.session.session import Session

SIM = "sim:?seed=4&fields=6&width=640&height=480&um_per_px=0.2&cells=6"


class WriteBuffer(SimulatedMicroscope):
    """A live camera that, after some frames, gives none until it is allowed to."""

    live = True

    def __init__(self, frames: int) -> None:
        super().__init__(SIM)
        self.go_on, self._left = threading.Event(), frames

    def read(self):
        self._left -= 1
        if self._left < 0:
            self.go_on.wait(60)
            return None
        return super().read()


def test_a_hanging_classifier_gives_no_heartbeat_even_without_a_frame(tmp_path, monkeypatch):
    camera, turns, hangs, released = WriteBuffer(1), [], threading.Event(), threading.Event()
    with Session(camera, tmp_path, hooks=SessionHooks(on_heartbeat=lambda: turns.append(time.monotonic()))) as session:
        classify = session._analysis.classify

        def hanging(located):
            hangs.set()
            released.wait(60)
            return classify(located)

        monkeypatch.setattr(session._analysis, "classify", hanging)
        running = threading.Thread(target=session.run)
        running.start()
        assert hangs.wait(60)
        time.sleep(0.5)  # iterations that had already started
        before = len(turns)
        time.sleep(0.5)
        assert len(turns) == before
        released.set()
        deadline = time.monotonic() + 30
        while len(turns) < before + 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(turns) >= before + 3, "an idle loop turns"
        camera.go_on.set()
        running.join(60)


def test_a_failing_classifier_ends_the_session_and_classified_cells_are_in_the_record(tmp_path, monkeypatch):
    with SimulatedMicroscope(SIM) as camera, Session(camera, tmp_path) as session:
        classify, calls = session._analysis.classify, []

        def failing(located):
            calls.append(located)
            if len(calls) == 3:
                raise RuntimeError("no such kernel")
            return classify(located)

        monkeypatch.setattr(session._analysis, "classify", failing)
        with pytest.raises(RuntimeError, match="no such kernel"):
            session.run()
    with Record.open(tmp_path) as record:
        analyzed = record.rows("SELECT count(*) FROM frame WHERE status = 'analysed'", ())[0][0]
    assert analyzed == 2


def test_it_ends_with_the_field_in_which_enough_cells_are_counted(tmp_path):
    with SimulatedMicroscope(SIM) as camera, Session(camera, tmp_path / "all") as session:
        whole = session.run().counts
    with SimulatedMicroscope(SIM) as camera, Session(camera, tmp_path / "some", SessionOptions(stop_at=8)) as session:
        some = session.run()
    assert 8 <= some.counts.leukocytes < whole.leukocytes
    with Record.open(tmp_path / "some") as record:
        rows = record.rows("SELECT frame_index FROM frame WHERE status = 'analysed' ORDER BY frame_index", ())
        counted = record.rows("SELECT count(*) FROM cell WHERE frame_index < ? AND label <> 'smudge'", rows[-1])[0][0]
        last = record.rows("SELECT max(frame_index) FROM frame", ())[0][0]
    assert counted < 8, "without its last field there are fewer"
    assert last == rows[-1][0], "no frame after it is in the record"


def test_a_sample_named_between_two_fields_is_in_the_record_once(tmp_path):
    commands = CommandQueue()
    with (
        SimulatedMicroscope(SIM) as camera,
        Session(camera, tmp_path, hooks=SessionHooks(commands=commands)) as session,
    ):
        commands.put(NameSample("S 7"))
        session.run()
        assert session.sample == "S 7"
    with Record.open(tmp_path) as record:
        assert record.session("last").sample == "S 7"
