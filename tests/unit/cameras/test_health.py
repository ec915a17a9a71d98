"""A camera counts as lost, and as back, by a clock that the test sets."""

import numpy as np
import pytest

from edge_all.cameras.events import CameraState
from edge_all.cameras.health import CameraHealth, HealthLimits
from tests.helpers.scripted_device import picture

STEP_S = 0.1


class Bench:
    """A vigil on a bench whose clock the test turns."""

    def __init__(self, physical=True, silent=False, **limits):
        self.now, self.wall = 100.0, 1e9
        self.health = CameraHealth(
            HealthLimits(**limits), physical, silent, lambda: self.now, lambda: self.wall + self.now
        )
        self.number = 0

    def works(self):
        self.health.opening()
        self.health.opened()
        self.frame()
        return self

    def frame(self, image=None):
        if image is None:
            self.number += 1
            image = picture(self.number)
        return self.health.came(image)

    def until(self, state, most_s, each=lambda: None):
        """Seconds until the state is there."""
        started = self.now
        while self.health.state is not state:
            assert self.now - started <= most_s, f"{self.health.state} after {most_s} s"
            self.now += STEP_S
            each()
            self.health.check()
        return self.now - started

    def kinds(self):
        return [e.kind for e in self.health.events]


def test_frames_keep_it_working_for_an_hour():
    bench = Bench().works()
    for _ in range(3600):
        bench.now += 1.0
        bench.health.check()
        bench.frame()
    assert bench.health.state is CameraState.WORKS
    assert bench.kinds() == []


def test_a_read_that_blocks_is_a_loss_within_three_seconds():
    bench = Bench().works()
    assert bench.until(CameraState.LOST, 3.0) > 1.5
    assert "no frame" in bench.health.reason
    assert bench.kinds() == ["lost"]


def test_bit_identical_frames_of_a_sensor_are_a_loss_within_three_seconds():
    bench, frozen = Bench().works(), picture(7)
    assert bench.until(CameraState.LOST, 3.0, lambda: bench.frame(frozen)) > 2.0
    assert "same image" in bench.health.reason


def test_bit_identical_frames_of_a_stream_are_a_still_picture():
    bench, still = Bench(physical=False).works(), picture(7)
    for _ in range(100):
        bench.now += STEP_S
        bench.frame(still)
        bench.health.check()
    assert bench.health.state is CameraState.WORKS


@pytest.mark.parametrize("level", [0, 255])
def test_a_sensor_without_light_or_with_far_too_much_is_not_lost(level):
    bench, flat = Bench().works(), np.full((48, 64, 3), level, np.uint8)
    for _ in range(100):
        bench.now += STEP_S
        bench.frame(flat)
        bench.health.check()
    assert bench.health.state is CameraState.WORKS


def test_a_frozen_camera_that_is_opened_again_and_still_frozen_is_not_back():
    bench, frozen = Bench().works(), picture(7)
    bench.until(CameraState.LOST, 3.0, lambda: bench.frame(frozen))
    bench.now += 1.0
    assert bench.health.should_open
    bench.health.opening()
    bench.health.opened()
    assert not bench.frame(frozen)
    assert bench.health.state is CameraState.LOST
    assert bench.frame()
    assert bench.health.state is CameraState.WORKS


def test_open_without_a_frame_is_not_open():
    bench = Bench()
    bench.health.opening()
    bench.health.opened()
    for _ in range(60):
        bench.now += STEP_S
        bench.health.check()
    assert bench.health.state is CameraState.OPENING
    assert "open but has delivered no new frame" in bench.health.reason


def test_an_opening_that_never_returns_is_noticed():
    bench = Bench()
    bench.health.opening()
    for _ in range(110):
        bench.now += STEP_S
        bench.health.check()
    assert "did not answer" in bench.health.reason


def test_attempts_to_open_become_less_and_less_frequent():
    bench = Bench().works()
    bench.until(CameraState.LOST, 3.0)
    started, tries = bench.now, []
    while bench.now - started < 60:
        bench.now += STEP_S
        if bench.health.should_open:
            tries.append(bench.now - started)
            bench.health.opening()
            bench.health.failed("it is gone")
    waits = np.diff(tries)
    assert tries[0] < 0.5
    assert (np.diff(waits) > -2 * STEP_S).all()
    assert 9.9 < waits[-1] < 10.3
    assert bench.kinds() == ["lost"]


def test_back_again_the_gap_is_measured_from_the_last_frame():
    bench = Bench().works()
    last = bench.now
    bench.until(CameraState.LOST, 3.0)
    bench.now += 4.0
    bench.health.opening()
    bench.health.opened()
    bench.frame()
    assert bench.health.reconnects == 1
    back = bench.health.events[-1]
    assert back.kind == "back"
    assert back.detail == {"lasted_s": pytest.approx(bench.now - last, abs=1e-3), "reconnects": 1}
    assert bench.health.lost_for_s == 0
    assert bench.health.lost_s_before == pytest.approx(bench.now - last)


def test_it_gives_up_after_the_requested_time():
    bench = Bench(give_up_after_s=20.0).works()
    assert 19.0 < bench.until(CameraState.GIVEN_UP, 21.0) <= 20.2
    assert bench.kinds() == ["lost", "given up"]


def test_without_a_limit_it_waits_for_a_day():
    bench = Bench().works()
    for _ in range(1440):
        bench.now += 60.0
        bench.health.check()
    assert bench.health.state is CameraState.LOST


def test_a_clock_that_jumps_back_changes_no_state_and_no_order_of_times():
    bench = Bench().works()
    before = bench.health.wall_time(bench.now)
    bench.wall -= 3600.0
    bench.now += 1.0
    bench.health.check()
    bench.frame()
    assert bench.health.state is CameraState.WORKS
    assert bench.health.wall_time(bench.now) == pytest.approx(before + 1.0)


def test_another_size_in_the_middle_is_reported_and_does_not_stop_it():
    bench = Bench().works()
    assert bench.frame(picture(5, 32, 24))
    (event,) = bench.health.events
    assert event.kind == "size"
    assert event.detail == {"width_px": 32, "height_px": 24, "before": "64x48"}


def test_a_watched_folder_may_be_silent_for_hours():
    bench = Bench(silent=True, physical=False)
    bench.health.opening()
    bench.health.opened()
    assert bench.health.state is CameraState.WORKS
    bench.now += 7200.0
    bench.health.check()
    assert bench.health.state is CameraState.WORKS
    bench.health.failed("the folder is gone")
    assert bench.health.state is CameraState.LOST
