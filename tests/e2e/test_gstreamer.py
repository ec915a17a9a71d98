"""Cameras through GStreamer: the code of a Jetson's CSI port with another source in its place.

Needs Debian's GStreamer and its Python bindings (installed here when root), built for this Python's version.
"""

from __future__ import annotations

import importlib
import socket
import sys
import threading
import time
from pathlib import Path

import cv2
import pytest

from edge_all.cameras.drivers.simulated import SimulatedMicroscope
from edge_all.cameras.events import CameraState
from edge_all.cameras.opening import open_camera
from edge_all.cameras.supervised import SupervisedCamera
from edge_all.errors import CameraError
from edge_all.profile import Profile
from edge_all.record.events.camera import camera_events
from edge_all.record.store import Record
from edge_all.session.options import SessionOptions
from edge_all.session.session import Session
from tests.helpers.debian import needs_packages

DIST = Path("/usr/lib/python3/dist-packages")
PACKAGES = ["python3-gi", "gir1.2-gst-plugins-base-1.0", "gstreamer1.0-plugins-base", "gstreamer1.0-plugins-good"]


@pytest.fixture(scope="module", autouse=True)
def bindings(tmp_path_factory):
    """Only gi of the system's packages, because the system's numpy would hide ours."""
    needs_packages(PACKAGES, str(DIST / "gi"), "/usr/lib/x86_64-linux-gnu/girepository-1.0/GstApp-1.0.typelib")
    if importlib.util.find_spec("gi") is None:
        folder = tmp_path_factory.mktemp("gi")
        (folder / "gi").symlink_to(DIST / "gi")
        sys.path.append(str(folder))
    try:
        import gi  # noqa: F401
    except ImportError as error:
        pytest.skip(f"Debian's python3-gi is for another Python ({error})")


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """Still and moving frames of a simulated smear, as numbered JPEGs."""
    folder = tmp_path_factory.mktemp("frames")
    camera = SimulatedMicroscope("sim:?seed=8&fields=5&frames_per_field=6&width=640&height=480&um_per_px=0.2&cells=6")
    with camera:
        for i in range(camera.frame_count):
            bgr = cv2.cvtColor(camera.read().image, cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(folder / f"{i:03d}.jpg"), bgr, [cv2.IMWRITE_JPEG_QUALITY, 97])
    return folder


def test_a_session_over_a_pipeline(frames, tmp_path):
    camera = open_camera(f'gst:multifilesrc location="{frames}/%03d.jpg" loop=true caps="image/jpeg,framerate=15/1" '
                         "! jpegdec ! videorate ! identity sync=true")  # fmt: skip
    assert isinstance(camera, SupervisedCamera)
    with Session(
        camera, tmp_path, SessionOptions(profile=Profile(engine="onnxruntime-cpu"), um_per_px=0.2, max_frames=60)
    ) as session:
        summary = session.run()
    assert summary.error is None
    assert summary.counts.leukocytes > 5
    assert summary.counts.fields >= 3
    assert summary.camera is not None
    assert summary.camera.worst_age_s < 5
    assert camera.settings["size"] == "640x480"


def test_colors_and_padded_rows_come_through():
    with open_camera("gst:videotestsrc is-live=true pattern=red ! video/x-raw,width=318,height=240") as camera:
        image = camera.read().image
    assert image.shape == (240, 318, 3)
    assert (abs(image.reshape(-1, 3).astype(int) - (255, 0, 0)).max(0) <= 2).all()


class JpegSender:
    """Sends JPEGs one after another to each client that connects, and stalls on request."""

    def __init__(self, frames: Path) -> None:
        self._data = [p.read_bytes() for p in sorted(frames.glob("*.jpg"))]
        self.stalls = False
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._send, args=(connection,), daemon=True).start()

    def _send(self, connection: socket.socket) -> None:
        sent = 0
        try:
            while True:
                while self.stalls:
                    time.sleep(0.02)
                connection.sendall(self._data[sent % len(self._data)])
                sent += 1
                time.sleep(0.08)
        except OSError:
            connection.close()


def test_a_stalled_pipeline_is_lost_within_three_seconds_and_comes_back(frames, tmp_path):
    sender = JpegSender(frames)
    camera = open_camera(f"gst:tcpclientsrc host=127.0.0.1 port={sender.port} ! jpegparse ! jpegdec")
    assert isinstance(camera, SupervisedCamera)
    lost_after: list[float] = []

    def bench():
        while camera.state is not CameraState.WORKS:
            time.sleep(0.02)
        time.sleep(2)
        sender.stalls, started = True, time.monotonic()
        while camera.state is not CameraState.LOST:
            time.sleep(0.02)
        lost_after.append(time.monotonic() - started)
        time.sleep(1)
        sender.stalls = False
        while camera.reconnects == 0:
            time.sleep(0.02)
        time.sleep(2)
        session.stop()

    with Session(camera, tmp_path, SessionOptions(profile=Profile(engine="onnxruntime-cpu"), um_per_px=0.2)) as session:
        threading.Thread(target=bench, daemon=True).start()
        summary = session.run()
    assert lost_after[0] < 3.0
    assert summary.error is None
    assert summary.camera.reconnects == 1
    assert camera.stuck_s == 0
    with Record.open(tmp_path) as record:
        kinds = [e.kind for e in camera_events(record, summary.session_id)]
    assert [k for k in kinds if k in ("lost", "back")] == ["lost", "back"]


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("gst:nosuchelement", "no element"),
        ("gst:filesrc location=/nope", "not found"),
        ("csi:0", "libcamera and picamera2 do not support its CSI ports"),
    ],
)
def test_an_invalid_pipeline_is_one_line(uri, says):
    with pytest.raises(CameraError, match=says) as told:
        open_camera(uri).start()
    assert "\n" not in str(told.value)


def test_the_jetson_pipeline_parses_but_for_its_own_elements():
    """The description for nvarguscamerasrc, with the Jetson's elements taken for ones that are here."""
    from gi.repository import Gst

    from edge_all.cameras.drivers.gstreamer import CsiCamera

    Gst.init(None)
    text = CsiCamera("csi:1?size=1280x720&fps=30&exposure=2000&gain=2")._description()
    assert "sensor-id=1" in text
    assert 'exposuretimerange="2000000 2000000"' in text
    here = text.replace("nvarguscamerasrc", "videotestsrc").replace("nvvidconv", "videoconvert")
    for of_argus in ("sensor-id=1", 'exposuretimerange="2000000 2000000"', 'gainrange="2 2"', "(memory:NVMM)"):
        assert of_argus in here
        here = here.replace(of_argus, "")
    with open_camera(f"gst:{here}") as camera:
        assert camera.read().image.shape == (720, 1280, 3)
