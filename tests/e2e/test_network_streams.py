"""RTSP from GStreamer's own server and MJPEG on loopback, as whole sessions of the program.

Needs Debian's GStreamer with its RTSP server (installed here when root) and PyAV.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import cv2
import pytest

from edge_all.cameras.drivers.simulated import SimulatedMicroscope
from edge_all.record.events.camera import camera_events
from edge_all.record.store import Record
from tests.helpers.debian import needs_packages
from tests.helpers.mjpeg_camera import MjpegCamera

pytest.importorskip("av", reason="PyAV is not installed: pip install 'edge-all[stream]'")
ROOT = Path(__file__).resolve().parents[2]
PACKAGES = [
    "python3-gi",
    "gir1.2-gst-plugins-base-1.0",
    "gir1.2-gst-rtsp-server-1.0",
    "gstreamer1.0-plugins-good",
    "gstreamer1.0-plugins-ugly",
]
SERVER = textwrap.dedent(
    """
    import sys, gi
    gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0")
    from gi.repository import Gst, GstRtspServer, GLib
    Gst.init(None)
    port, frames, password = sys.argv[1:4]
    server = GstRtspServer.RTSPServer(); server.set_service(port); server.set_address("127.0.0.1")
    factory = GstRtspServer.RTSPMediaFactory(); factory.set_shared(True)
    factory.set_launch(
        f'( multifilesrc location="{frames}/%03d.jpg" loop=true caps="image/jpeg,framerate=10/1" ! jpegdec '
        '! videoconvert ! x264enc tune=zerolatency speed-preset=ultrafast bitrate=8000 key-int-max=10 '
        '! rtph264pay name=pay0 pt=96 config-interval=1 )')
    if password:
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken(); token.set_string("media.factory.role", "viewer")
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic("doctor", password), token)
        server.set_auth(auth)
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("viewer", "media.factory.access", True)
        permissions.add_permission_for_role("viewer", "media.factory.construct", True)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory("/live", factory)
    server.attach(None); print("ready", flush=True)
    GLib.MainLoop().run()
    """
)


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """A simulated stage tour as numbered JPEGs."""
    folder = tmp_path_factory.mktemp("frames")
    camera = SimulatedMicroscope("sim:?seed=8&fields=8&frames_per_field=6&width=640&height=480&um_per_px=0.2&cells=6")
    with camera:
        for i in range(camera.frame_count):
            cv2.imwrite(str(folder / f"{i:03d}.jpg"), cv2.cvtColor(camera.read().image, cv2.COLOR_RGB2BGR))
    return folder


class RtspServer:
    """GStreamer's RTSP server in a separate process, which can be stopped, resumed and killed."""

    def __init__(self, port: int, frames: Path, password: str = "") -> None:
        needs_packages(PACKAGES, "/usr/lib/x86_64-linux-gnu/girepository-1.0/GstRtspServer-1.0.typelib")
        self.process = subprocess.Popen(
            ["/usr/bin/python3", "-c", SERVER, str(port), str(frames), password], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == "ready"

    def stop(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()


class Run:
    """A process of ``edge-all run``, and its output."""

    def __init__(self, folder: Path, camera: str, *more: str) -> None:
        self.record, self.log = folder / "record", folder / "log"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "EDGE_ALL_STATE": str(folder / "state")}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "edge_all", "run", "--camera", camera, "--um-per-px", "0.2", "--sample", "S",
                 "--record", str(self.record), *more],
                stdout=log, stderr=log, env=environment,
            )  # fmt: skip

    def wait_for(self, pattern: str, most_s: float = 40.0) -> float:
        """Seconds until the log has it."""
        started = time.monotonic()
        while re.search(pattern, self.log.read_text()) is None:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() - started < most_s, f"{pattern} did not come:\n{self.log.read_text()}"
            time.sleep(0.02)
        return time.monotonic() - started

    def end(self) -> str:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        return self.log.read_text()

    def gaps(self) -> list[dict]:
        with Record.open(self.record) as record:
            (session,) = record.sessions()
            return [dict(e.detail) for e in camera_events(record, session.id) if e.kind == "back"]


@pytest.fixture
def run(tmp_path):
    started = []

    def make(camera, *more):
        started.append(Run(tmp_path, camera, *more))
        return started[-1]

    yield make
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_an_rtsp_camera_stalls_is_killed_and_comes_back_in_one_session(frames, run):
    port = free_port()
    server = RtspServer(port, frames)
    try:
        told = run(f"rtsp://127.0.0.1:{port}/live")
        told.wait_for(r"fields [1-9]")
        server.process.send_signal(signal.SIGSTOP)  # the connection stays open, nothing comes
        assert told.wait_for("camera lost") < 3.5
        server.process.send_signal(signal.SIGCONT)
        told.wait_for("camera reconnected")
        server.stop()
        told.wait_for("(?s)camera lost.*camera lost")
        server = RtspServer(port, frames)
        told.wait_for("(?s)camera reconnected.*camera reconnected")
        time.sleep(2)
        text = told.end()
    finally:
        server.stop()
    assert "reconnected 2 times" in text
    gaps = told.gaps()
    assert [g["reconnects"] for g in gaps] == [1, 2]
    assert all(g["lasted_s"] > 0.2 for g in gaps)


def test_a_wrong_rtsp_password_is_one_line_and_nowhere_kept(frames, run):
    port = free_port()
    server = RtspServer(port, frames, "right-one")
    try:
        right = run(f"rtsp://doctor:right-one@127.0.0.1:{port}/live", "--max-frames", "5")
        right.process.wait(60)
        assert right.process.returncode == 0, right.log.read_text()
        wrong = run(f"rtsp://doctor:wrong-one@127.0.0.1:{port}/live")
        wrong.process.wait(60)
        assert wrong.process.returncode == 1
        assert "rejects the user name or password" in wrong.log.read_text()
        kept = [p for p in right.record.rglob("*") if p.is_file()]
        for secret in (b"right-one", b"wrong-one"):
            assert not any(secret in p.read_bytes() for p in [*kept, right.log, wrong.log])
    finally:
        server.stop()


def test_an_mjpeg_camera_stalls_drops_and_comes_back_in_one_session(frames, run):
    pictures = [cv2.cvtColor(cv2.imread(str(p)), cv2.COLOR_BGR2RGB) for p in sorted(frames.glob("*.jpg"))]
    server = MjpegCamera(fps=10)
    server.pictures = pictures
    port = server.port
    try:
        told = run(server.url())
        told.wait_for(r"fields [1-9]")
        server.stalls = True
        assert told.wait_for("camera lost") < 3.5
        server.stalls = False
        told.wait_for("camera reconnected")
        server.close()
        told.wait_for("(?s)camera lost.*camera lost")
        server = MjpegCamera(port, fps=10)
        server.pictures = pictures
        told.wait_for("(?s)camera reconnected.*camera reconnected")
        text = told.end()
    finally:
        server.close()
    assert "reconnected 2 times" in text
    assert len(told.gaps()) == 2


def test_preview_saves_one_frame(frames, tmp_path):
    server = MjpegCamera(fps=10)
    server.pictures = [cv2.cvtColor(cv2.imread(str(frames / "000.jpg")), cv2.COLOR_BGR2RGB)]
    try:
        picture = tmp_path / "now.png"
        done = subprocess.run(
            [sys.executable, "-m", "edge_all", "cameras", "--camera", server.url(), "--preview", str(picture)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            timeout=60,
        )
    finally:
        server.close()
    assert done.returncode == 0, done.stderr
    assert cv2.imread(str(picture)).shape == (480, 640, 3)
