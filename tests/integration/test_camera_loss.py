"""A session whose camera is lost and comes back: real networks, real record, a scripted camera."""

from __future__ import annotations

import itertools
import threading
import time

import cv2
import pytest

from edge_all.cameras.drivers.simulated import SimulatedMicroscope
from edge_all.cameras.events import CameraState
from edge_all.cameras.health import HealthLimits
from edge_all.errors import CameraError
from edge_all.profile import Profile
from edge_all.record.events.camera import camera_events
from edge_all.record.store import Record
from edge_all.session.options import SessionOptions
from edge_all.session.session import Session
from edge_all.web.live.live_view import LiveView
from tests.helpers.scripted_device import watched

SHORT = HealthLimits(no_frame_s=0.4, first_frame_s=1.0, open_s=1.0)
SIM = "sim:?seed=4&fields=6&width=640&height=480&um_per_px=0.2&cells=6"


@pytest.fixture(scope="module")
def smear():
    """Frames of six fields, still and moving."""
    camera = SimulatedMicroscope(SIM)
    with camera:
        return [camera.read().image for _ in range(camera.frame_count)]


class Shown:
    """Images in turn, again and again, until a condition holds; how fast the machine is does not matter."""

    def __init__(self):
        self.count = 0

    def until(self, images, condition):
        for image in itertools.cycle(images):
            if condition():
                return
            time.sleep(0.02)
            self.count += 1
            yield image


class Watcher:
    """Collects what a person at the bench is shown."""

    def __init__(self):
        self.live, self.states, self.cells = LiveView(), [], 0
        self.sizes = set()

    def __call__(self, progress):
        self.live.take(progress)
        counts = self.live.counts()
        self.cells = counts.counts.leukocytes
        if progress.result is not None and progress.result.field is not None:
            frame = progress.result.frame
            self.sizes.add((frame.width_px, frame.height_px))
        if progress.camera is not None:
            self.states.append((progress.camera.kind, bool(counts.camera)))
            if progress.camera.kind in ("lost", "back"):
                assert progress.hint == ("camera lost" if progress.camera.kind == "lost" else "")


def test_the_same_session_continues_and_the_gap_is_in_the_record(tmp_path, smear):
    half, shown, watcher = len(smear) // 2, Shown(), Watcher()
    script = itertools.chain(
        shown.until(smear[:half], lambda: watcher.cells > 0),
        [CameraError("/dev/video0 is gone", "plug it in again")],
        shown.until(smear[half:], lambda: ("back", False) in watcher.states),
    )
    camera, made = watched(script, SHORT, opens=[None, CameraError("not there", "plug it in"), None])
    camera.give_up_after(1.5)
    with Session(camera, tmp_path, SessionOptions(profile=Profile(engine="onnxruntime-cpu"), um_per_px=0.2)) as session:
        summary = session.run(watcher)
        assert session.camera_state is CameraState.GIVEN_UP
    # The script's end is a camera that never comes back. The session ends with its summary all the same.
    assert isinstance(summary.error, CameraError)
    assert "did not come back" in str(summary.error)
    assert [s for s in watcher.states if s[0] in ("lost", "back", "given up")] == [
        ("lost", True),
        ("back", False),
        ("lost", True),
        ("given up", True),
    ]
    with Record.open(tmp_path) as record:
        assert [s.id for s in record.sessions()] == [summary.session_id]
        row = record.session("last")
        events = camera_events(record, summary.session_id)
        frames = record.frames(summary.session_id)
    assert row.ended is not None
    assert row.counts.leukocytes == watcher.cells > 0
    kinds = [e.kind for e in events]
    assert kinds.count("lost") == 2
    assert kinds.count("back") == 1
    assert kinds[-1] == "ages"
    gap = next(e for e in events if e.kind == "back")
    assert gap.detail["lasted_s"] > 0.2
    assert gap.detail["reconnects"] == 1
    assert "is gone" in events[kinds.index("lost")].detail["reason"]
    assert [f.index for f in frames] == sorted(f.index for f in frames)
    assert len(made) >= 3
    # Every frame was analyzed, skipped or dropped: none is unaccounted for.
    assert row.counts.frames == shown.count


def test_frames_of_another_size_have_their_own_scale_and_nothing_breaks(tmp_path, smear):
    smaller = [cv2.resize(i, (512, 384)) for i in smear[10:16]]
    shown, watcher = Shown(), Watcher()
    script = itertools.chain(
        shown.until(smear[:6], lambda: (640, 480) in watcher.sizes),
        shown.until(smaller, lambda: (512, 384) in watcher.sizes),
        [CameraError("gone", "plug it in")],
    )
    camera, _ = watched(script, SHORT, opens=[None] + [CameraError("gone", "plug it in")] * 99)
    camera.give_up_after(1.0)
    with Session(camera, tmp_path, SessionOptions(profile=Profile(engine="onnxruntime-cpu"), um_per_px=0.2)) as session:
        summary = session.run(watcher)
    assert isinstance(summary.error, CameraError)
    assert ("size", False) in watcher.states
    with Record.open(tmp_path) as record:
        analyzed = [f for f in record.frames(summary.session_id) if f.status == "analysed"]
    by_size = {(f.width_px, f.height_px): f.um_per_px for f in analyzed}
    assert set(by_size) == {(640, 480), (512, 384)}
    assert by_size[(640, 480)] == 0.2
    assert by_size[(512, 384)] == pytest.approx(0.2 * 640 / 512, rel=0.1)


def test_a_camera_that_does_not_open_starts_no_session(tmp_path):
    camera, _ = watched(iter(()), SHORT, opens=[CameraError("/dev/video0 is busy", "close the other program")])
    with (
        Session(camera, tmp_path, SessionOptions(profile=Profile(engine="onnxruntime-cpu"))) as session,
        pytest.raises(CameraError, match="busy"),
    ):
        session.run()
    with Record.open(tmp_path) as record:
        assert record.sessions() == []


def test_a_loss_is_reported_while_a_field_is_still_being_analyzed(tmp_path, smear, monkeypatch):
    script = iter([*smear[:3], CameraError("gone", "plug it in")])
    camera, _ = watched(script, SHORT, opens=[None] + [CameraError("gone", "plug it in")] * 99)
    camera.give_up_after(1.0)
    lost, in_time = threading.Event(), []
    with Session(camera, tmp_path, SessionOptions(profile=Profile(engine="onnxruntime-cpu"), um_per_px=0.2)) as session:
        classify = session._analysis.classify

        def takes_long(located):
            in_time.append(lost.wait(20))
            return classify(located)

        monkeypatch.setattr(session._analysis, "classify", takes_long)
        session.run(lambda p: lost.set() if p.hint == "camera lost" else None)
    assert in_time[0]
