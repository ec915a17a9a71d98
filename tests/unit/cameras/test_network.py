"""MJPEG over HTTP, from a real server on loopback through PyAV."""

import threading
import time

import numpy as np
import pytest

from edge_all.cameras.events import CameraState
from edge_all.cameras.opening import open_camera
from edge_all.cameras.supervised import SupervisedCamera
from edge_all.domain.types import Frame
from edge_all.errors import CameraError
from tests.helpers.mjpeg_camera import MjpegCamera

pytest.importorskip("av", reason="PyAV is not installed: pip install 'edge-all[stream]'")


def read_until(camera, condition, most=3000):
    for _ in range(most):
        frame = camera.read()
        if condition(frame):
            return frame
    raise AssertionError("it did not come to it")


def test_its_frames_come_in_rgb():
    with MjpegCamera() as server:
        server.pictures = [np.full((48, 64, 3), (200, 60, 20), np.uint8)]
        with open_camera(server.url()) as camera:
            frame = camera.read()
    assert isinstance(frame, Frame)
    assert frame.image.shape == (48, 64, 3)
    flat = frame.image.reshape(-1, 3).mean(0)
    assert abs(flat - (200, 60, 20)).max() < 6


@pytest.mark.parametrize("fault", ["drops", "stalls"])
def test_it_is_lost_and_comes_back(fault):
    server = MjpegCamera()
    port = server.port
    try:
        with open_camera(server.url()) as camera:
            assert isinstance(camera, SupervisedCamera)
            camera.read()
            if fault == "drops":
                server.close()
            else:
                server.stalls = True

            def mend():
                nonlocal server
                if fault == "drops":
                    server = MjpegCamera(port)
                else:
                    server.stalls = False

            started = time.monotonic()
            states = []

            def look():
                while camera.state is not CameraState.LOST and time.monotonic() - started < 5:
                    time.sleep(0.02)
                states.append((camera.state, time.monotonic() - started))
                mend()

            watcher = threading.Thread(target=look)
            watcher.start()
            read_until(camera, lambda _: camera.reconnects == 1)
            watcher.join()
            told = [e.kind for e in camera.take_events()]
    finally:
        server.close()
    assert states[0][0] is CameraState.LOST
    assert [k for k in told if k in ("lost", "back")] == ["lost", "back"]


def test_a_wrong_password_is_reported_and_never_shown():
    with MjpegCamera(password="doctor:right-one") as server:
        with open_camera(server.url("doctor:right-one")) as camera:
            assert isinstance(camera.read(), Frame)
            assert "right-one" not in camera.uri
            assert "right-one" not in camera.read().source
        with pytest.raises(CameraError, match="rejects the user name or password") as told:
            open_camera(server.url("doctor:wrong-one")).start()
        assert "wrong-one" not in str(told.value)
        with pytest.raises(CameraError, match="requires a password"):
            open_camera(server.url()).start()


def test_an_address_it_does_not_have_and_a_camera_that_is_off():
    with MjpegCamera() as server:
        url = server.url()
        with pytest.raises(CameraError, match="was not found on that camera"):
            open_camera(url.replace("/live", "/dead")).start()
    with pytest.raises(CameraError, match="refuses the connection"):
        open_camera(url).start()


def test_another_size_in_the_middle_does_not_stop_it():
    with MjpegCamera() as server, open_camera(server.url()) as camera:
        assert isinstance(camera, SupervisedCamera)
        camera.read()
        server.size = (96, 80)
        frame = read_until(camera, lambda f: f.width_px == 96)
        events = camera.take_events()
    assert frame.image.shape == (80, 96, 3)
    assert [e.detail["before"] for e in events if e.kind == "size"] == ["64x48"]
