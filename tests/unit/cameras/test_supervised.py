"""A watched camera over a device that hangs, fails, freezes and comes back; real threads, short limits."""

import itertools
import threading
import time

import pytest

from edge_all.cameras.events import CameraState
from edge_all.cameras.health import HealthLimits
from edge_all.domain.types import Unreadable
from edge_all.errors import CameraError
from tests.helpers.scripted_device import picture, watched

SHORT = HealthLimits(no_frame_s=0.6, same_frame_s=0.6, first_frame_s=1.0, open_s=1.0)


def paced(first=0):
    """Frames as a sensor gives them."""

    def at(number):
        def step():
            time.sleep(0.005)
            return picture(number)

        return step

    return (at(n) for n in itertools.count(first))


def read_some(camera, count=3):
    return [camera.read() for _ in range(count)]


def wait_for(condition, most_s=10.0):
    end = time.monotonic() + most_s
    while not condition():
        assert time.monotonic() < end, "it did not come to it"
        time.sleep(0.01)


def test_frames_are_numbered_on_and_carry_the_time_they_were_taken():
    camera, _ = watched(paced())
    with camera:
        found = read_some(camera, 5)
    assert [f.index for f in found] == sorted({f.index for f in found})
    assert found[0].source == f"scripted:#{found[0].index}"
    assert all(b.taken_s > a.taken_s for a, b in itertools.pairwise(found))
    assert abs(found[-1].time - time.time()) < 60


def test_a_picture_too_small_for_a_cell_is_reported_as_unreadable():
    camera, _ = watched(iter([picture(1), picture(2, width=8, height=2)]))
    camera.live = False  # each of them is wanted
    with camera:
        first, second = read_some(camera, 2)
    assert first.width_px == 64
    assert isinstance(second, Unreadable)
    assert "is 8x2 pixels" in second.reason


def test_the_newest_frame_is_read_and_the_others_are_counted():
    camera, _ = watched(paced())
    with camera:
        camera.read()
        wait_for(lambda: camera.dropped >= 5)
        dropped = camera.dropped
        frame = camera.read()
    assert frame.index >= dropped
    assert time.monotonic() - frame.taken_s < 5


def test_a_hanging_driver_is_abandoned_and_the_device_reopened():
    let_go = threading.Event()
    script = itertools.chain(itertools.islice(paced(), 3), [lambda: let_go.wait(20) and None], paced(10))
    camera, made = watched(script, SHORT)
    with camera:
        before = read_some(camera, 1)[0]
        after = before
        while camera.reconnects == 0 or after.taken_s - before.taken_s < SHORT.no_frame_s:
            after = camera.read()
        assert camera.state is CameraState.WORKS
        assert camera.reconnects == 1
        assert camera.stuck_s > 0
        assert made[1].asked_for == "S1"
        kinds = [e.kind for e in camera.take_events()]
        assert [k for k in kinds if k in ("lost", "back")] == ["lost", "back"]
        assert after.index > before.index
        let_go.set()
        assert made[0].stopped.wait(5)
        wait_for(lambda: camera.stuck_s == 0)


def frozen():
    time.sleep(0.005)
    return picture(99)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (CameraError("/dev/video0 is gone", "plug it in"), "is gone"),
        (None, "no frame"),
        (RuntimeError("boom"), "its driver failed"),
        (frozen, "same image"),
    ],
    ids=["gone", "empty reads", "an error of the driver", "frozen"],
)
def test_each_kind_of_camera_loss_is_reported_once_and_recovered(fault, reason):
    def script():
        yield from itertools.islice(paced(), 3)
        while camera.state is not CameraState.LOST:
            yield fault
        yield from paced(200)

    camera, _ = watched(script(), SHORT)
    with camera:
        told = []
        while not any(e.kind == "back" for e in told):
            assert camera.read() is not None
            told += camera.take_events()
    assert reason in next(e for e in told if e.kind == "lost").detail["reason"]
    assert camera.reconnects == 1


def test_it_retries_while_it_cannot_be_opened():
    opens = [None, CameraError("busy", "close"), CameraError("busy", "close"), None]
    script = itertools.chain(itertools.islice(paced(), 2), [CameraError("gone", "plug")], paced(10))
    camera, made = watched(script, SHORT, opens=opens)
    with camera:
        while camera.reconnects == 0:
            camera.read()
    assert len(made) == 4
    assert all(d.stopped.is_set() for d in made)


def test_giving_up_ends_with_one_error():
    script = itertools.chain(itertools.islice(paced(), 2), [CameraError("gone", "plug it in")])
    camera, _ = watched(script, SHORT, opens=[None] + [CameraError("not there", "plug it in")] * 50)
    camera.give_up_after(0.5)
    camera.start()
    with pytest.raises(CameraError, match=r"did not come back within 0 s .*not there"):
        read_some(camera, 1000)
    camera.stop()
    assert camera.state is CameraState.GIVEN_UP


@pytest.mark.parametrize(
    ("opens", "script", "says"),
    [
        ([CameraError("/dev/video0 is busy", "close the other program")], [], "busy"),
        ([lambda: time.sleep(2.0)], [], "did not answer"),
        ([None], [None] * 2000, "open but has delivered no new frame"),
    ],
    ids=["busy", "hangs", "says it is open"],
)
def test_a_camera_that_cannot_be_opened_at_all_is_an_error_at_the_start(opens, script, says):
    camera, _ = watched(iter(script), SHORT, opens=opens)
    with pytest.raises(CameraError, match=says):
        camera.start()


def test_a_read_that_waits_ends_when_another_thread_stops_it():
    let_go = threading.Event()
    camera, _ = watched(itertools.chain([picture(1)], [lambda: let_go.wait(10) and None]), HealthLimits())
    camera.start()
    camera.read()
    threading.Timer(0.1, camera.stop).start()
    assert camera.read() is None
    let_go.set()


def test_settings_are_locked_once_settled_and_again_to_the_same_after_a_loss():
    script = itertools.chain(itertools.islice(paced(), 30), [CameraError("gone", "plug")], paced(100))
    camera, made = watched(script, SHORT, settles_s=0.05)
    with camera:
        first = camera.read()
        while len(made) < 2 or not made[1].locked_with:
            camera.read()
        camera.read()
    assert first.index == 0
    assert made[0].locked_with == [None]
    assert made[1].locked_with == [{"exposure": 120.0}]
    assert camera.settings == {"exposure": 120.0}
    assert [e.detail for e in camera.take_events() if e.kind == "settings"] == [{"exposure": 120.0}] * 2
