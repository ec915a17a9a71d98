"""A station runs sessions by command, with the real networks, and open pages do not disturb it."""

import http.client
import json
import re
import socket
import threading
import time

import pytest

pytest.importorskip("uvicorn", reason="the pages' packages are not installed: pip install 'edge-all[web]'")

from edge_all.cameras.opening import open_camera
from edge_all.errors import UsageError
from edge_all.record.events.camera import pauses
from edge_all.record.store import Record
from edge_all.review import saliency
from edge_all.session.commands import CommandQueue, NameSample, Pause, Resume, Start, Stop
from edge_all.session.hooks import SessionHooks
from edge_all.session.options import SessionOptions
from edge_all.session.session import Session
from edge_all.session.station import Station
from edge_all.web.live import mjpeg
from edge_all.web.live.live_view import LiveView
from edge_all.web.microscope import Microscope
from edge_all.web.server import Address, Server

PACED = "sim:?seed=3&fields=400&fps=20&frames_per_field=1"
UNPACED = "sim:?seed=3&fields=400&frames_per_field=1"
FEW = "sim:?seed=3&fields=4&frames_per_field=2"


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


class Running:
    """A station in a thread, and what it showed."""

    def __init__(self, folder, uri):
        self.live, self.told = LiveView(), []

        def run_session(start, made):
            camera = open_camera(uri)
            with Session(
                camera,
                folder,
                SessionOptions(sample=start.sample, keep_all_crops=True),
                SessionHooks(commands=self.station.commands),
            ) as session:
                made(session)
                return session.run(self.take)

        self.station = Station(uri, run_session)
        self.microscope = Microscope(folder, self.station, self.live)
        self.thread = threading.Thread(target=self.station.run, daemon=True)

    def take(self, progress):
        self.told.append(progress)
        self.live.take(progress)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.station.close()
        self.thread.join(30)
        assert not self.thread.is_alive()

    def put(self, command, phase):
        self.station.commands.put(command)
        wait_for(lambda: self.station.state.phase == phase)

    @property
    def fields(self):
        return self.told[-1].counts.fields if self.told else 0


@pytest.mark.parametrize("uri", [UNPACED, PACED], ids=["files wait", "a live camera is looked at"])
def test_start_pause_resume_stop(tmp_path, uri):
    with Running(tmp_path, uri) as running:
        assert running.station.state.phase == "idle"
        running.put(Start("S1"), "running")
        wait_for(lambda: running.fields >= 2)
        running.put(Pause(), "paused")
        wait_for(lambda: all(t.result.skip is not None for t in running.told[-1:]) or uri == UNPACED)
        before = running.fields
        shown = len(running.told)
        if uri == PACED:
            wait_for(lambda: len(running.told) > shown + 3)  # the live picture continues, nothing is counted
            assert running.told[-1].result.skip.reason == "paused"
        else:
            time.sleep(0.3)
        paused = running.fields
        assert paused - before <= 4  # those that had already started
        running.put(Resume(), "running")
        wait_for(lambda: running.fields > paused + 1)
        running.put(Stop(), "idle")
        running.put(Start("S2"), "running")
        wait_for(
            lambda: running.told[-1].counts.fields >= 1 and running.told[-1].session_id != running.told[0].session_id
        )
    with Record.open(tmp_path, create=False) as record:
        sessions = record.sessions()
        assert [s.sample for s in sessions] == ["S1", "S2"]
        assert all(s.ended and s.interrupted for s in sessions)
        assert "paused" not in {f.reason for f in record.frames(sessions[0].id)}
        ((started, over),) = pauses(record, sessions[0].id)
        assert sessions[0].begun < started < over < sessions[0].ended
        assert all(c["crop"] for c in record.cells(sessions[0].id))


def test_the_next_sample_closes_the_session_before(tmp_path):
    with Running(tmp_path, UNPACED) as running:
        running.put(Start("S1"), "running")
        wait_for(lambda: running.fields >= 1)
        running.station.commands.put(Start("S2"))
        running.station.commands.put(Start("S3"))
        wait_for(lambda: running.station.state.sample == "S3" and running.station.state.phase == "running")
        running.put(Stop(), "idle")
    with Record.open(tmp_path, create=False) as record:
        assert [s.sample for s in record.sessions()] == ["S1", "S2", "S3"]
        assert all(s.ended for s in record.sessions())


def test_a_start_that_was_pressed_twice_starts_one_session(tmp_path):
    with Running(tmp_path, UNPACED) as running:
        running.put(Start("S1"), "running")
        wait_for(lambda: running.fields >= 1)
        for _ in range(3):
            assert running.station.commands.put(Start("S2"))
        wait_for(lambda: running.station.state.sample == "S2" and running.station.state.phase == "running")
        running.put(Stop(), "idle")
    with Record.open(tmp_path, create=False) as record:
        assert [s.sample for s in record.sessions()] == ["S1", "S2"]


def test_a_blocked_station_reports_why_and_starts_nothing(tmp_path):
    with Running(tmp_path, UNPACED) as running:
        running.station.blocked = "the settings cannot be used"
        running.station.commands.put(Start("S1"))
        wait_for(lambda: running.station.state.error == "the settings cannot be used")
        running.station.blocked = None
        running.put(Start("S1"), "running")
    with Record.open(tmp_path, create=False) as record:
        assert len(record.sessions()) == 1


def test_a_sample_is_named_once(tmp_path):
    commands = CommandQueue()
    commands.put(NameSample("late"))
    commands.put(NameSample("later"))
    with open_camera(FEW) as camera, Session(camera, tmp_path, hooks=SessionHooks(commands=commands)) as session:
        session.run()
    with Record.open(tmp_path) as record:
        assert record.session("last").sample == "late"


def test_a_camera_that_cannot_start_is_reported_and_the_station_continues():
    def run_session(*_):
        raise UsageError("the camera is gone", "plug it in")

    station = Station("sim:", run_session)
    thread = threading.Thread(target=station.run, daemon=True)
    thread.start()
    station.commands.put(Start("S1"))
    wait_for(lambda: station.state.error is not None)
    assert station.state.phase == "idle"
    assert "plug it in" in station.state.error
    station.close()
    thread.join(10)
    assert not thread.is_alive()


def test_the_live_page_by_its_routes(tmp_path):
    with (
        Running(tmp_path, UNPACED) as running,
        Server(Address(port=0), tmp_path, microscope=running.microscope, create=True) as server,
    ):
        port = server.context.endpoint.port
        cookie, token = open_page(port)

        def command(**form):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            body = "&".join(f"{k}={v}" for k, v in {**form, "csrf": token}.items())
            connection.request(
                "POST",
                "/live/command",
                body,
                {
                    "Cookie": cookie,
                    "Origin": f"http://127.0.0.1:{port}",
                    "Content-Type": "application/x-www-form-urlencoded",
                    "Accept": "application/json",
                },
            )
            return connection.getresponse().status

        assert command(command="stop") == 409
        assert command(command="dance") == 400
        assert command(command="start", sample="") == 400
        assert command(command="start", sample="x" * 300) == 400
        assert command(command="start", sample="S1") == 200
        wait_for(lambda: state(port)["leukocytes"] > 3)
        assert command(command="start", sample="S1") == 409, "a barcode that was read twice"
        said = state(port)
        assert (said["phase"], said["sample"]) == ("running", "S1")
        assert sum(line["count"] for line in said["lines"]) == said["leukocytes"]
        assert said["low"] <= said["percent"] <= said["high"]
        assert get(port, "/live/picture.jpg").startswith(b"\xff\xd8")
        assert command(command="pause") == 200
        wait_for(lambda: state(port)["phase"] == "paused")
        assert command(command="start", sample="S2") == 200
        wait_for(lambda: (state(port)["phase"], state(port)["sample"]) == ("running", "S2"))
        with Record.open(tmp_path, create=False, check=False) as record:
            assert [(s.sample, s.ended is not None) for s in record.sessions()] == [("S1", True), ("S2", False)]
        assert command(command="stop") == 200
        wait_for(lambda: state(port)["phase"] == "idle")


def test_a_reader_that_stalls_does_not_disturb_the_analysis(tmp_path, monkeypatch):
    """Eight browsers ask for the stream and never read it; the session ends with every frame looked at."""
    monkeypatch.setattr(mjpeg, "_STALLED_S", 1.0)
    with (
        Running(tmp_path, "sim:?seed=3&fields=60&frames_per_field=1") as running,
        Server(Address(port=0), tmp_path, microscope=running.microscope, create=True) as server,
    ):
        port = server.context.endpoint.port
        stalled = []
        for _ in range(8):
            tap = socket.create_connection(("127.0.0.1", port))
            tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            tap.sendall(f"GET /live/picture.mjpg HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            stalled.append(tap)
        wait_for(lambda: server.context.watchers == 8)
        assert b"limited to" in get(port, "/live/picture.mjpg")
        running.put(Start("S1"), "running")
        wait_for(lambda: running.station.state.phase == "idle", 100)
        assert running.told[-1].counts.frames == 119
        assert running.told[-1].counts.skipped.get("dropped", 0) == 0
        wait_for(lambda: server.context.watchers == 0)  # who takes nothing is let go
        for tap in stalled:
            tap.close()


def test_a_review_while_the_session_runs_is_kept_and_holds_nothing_up(tmp_path):
    from edge_all.record.events.verdicts import Reviewer, all_verdicts, give_verdicts

    with Running(tmp_path, UNPACED) as running:
        running.put(Start("S1"), "running")
        wait_for(lambda: running.fields >= 3)
        session = running.told[-1].session_id
        with Record.open(tmp_path, create=False, check=False) as record:
            wait_for(lambda: len(record.cells(session)) >= 3)
            for round_ in range(40):
                cells = [c["cell"] for c in record.cells(session)[:3]]
                give_verdicts(record, session, cells, ("blast", "normal")[round_ % 2], None, Reviewer("Ada", False))
            fields = running.fields
            wait_for(lambda: running.fields > fields + 2)
            assert len(all_verdicts(record, session)) == 120
        running.put(Stop(), "idle")
        assert running.station.state.error is None


def test_saliency_is_of_the_weights_not_of_the_picture(tmp_path):
    """Shuffled weights give another map; the same ones give the same (Adebayo et al. 2018)."""
    onnx = pytest.importorskip("onnx")
    import cv2
    import numpy as np

    from edge_all.inference.onnx_file import read_model_file
    from edge_all.inference.ort_engine import OnnxRuntimeEngine
    from edge_all.modelstore.shipped import models_folder

    path = models_folder() / "classifier" / "float.onnx"
    model = onnx.load(str(path))
    rng = np.random.default_rng(1)
    for weight in model.graph.initializer:
        values = onnx.numpy_helper.to_array(weight)
        if values.dtype == np.float32 and values.ndim == 4:
            mixed = rng.permutation(values.ravel()).reshape(values.shape)
            weight.CopyFrom(onnx.numpy_helper.from_array(mixed.astype(np.float32), weight.name))
    (tmp_path / "float.onnx").write_bytes(model.SerializeToString())
    file = read_model_file(path, "classifier")
    side, um_per_px = file.contract.input_px, file.contract.um_per_px
    middle, nucleus, nucleolus = side // 2, round(5.5 / um_per_px), round(1.3 / um_per_px)
    crop = np.full((side, side, 3), 225, np.uint8)
    cv2.circle(crop, (middle, middle), nucleus, (70, 40, 130), -1)
    cv2.circle(crop, (middle + 2 * nucleolus, middle - nucleolus), nucleolus, (150, 120, 190), -1)
    true = OnnxRuntimeEngine(file, 1)
    shuffled = OnnxRuntimeEngine(read_model_file(tmp_path / "float.onnx", "classifier"), 1)
    first, again, other = (saliency.occlusion(e, crop).change for e in (true, true, shuffled))
    assert first.shape == (side, side)
    assert np.array_equal(first, again)
    assert np.abs(first).max() > 0.01
    assert np.abs(first - other).max() > 0.5 * np.abs(first).max()


def test_a_map_of_a_recorded_cell_is_near_what_was_classified(tmp_path):
    from edge_all.modelstore.shipped import models_folder
    from edge_all.record.queries import kept_views

    with open_camera(FEW) as camera, Session(camera, tmp_path) as session:
        session.run()
    with Record.open(tmp_path) as record:
        rows = [c for c in record.cells(record.session("last").id) if c["crop"] and c["label"] == "blast"]
        maps = saliency.SaliencyMaps(models_folder())
        made = maps.make(kept_views(record, rows[0]["session"], rows[0]["cell"])[0], rows[0])
    assert made.blast_probability == pytest.approx(rows[0]["blast_probability"], abs=0.15)
    assert saliency.saliency_png(made).startswith(b"\x89PNG")


def get(port, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers=headers)
    return connection.getresponse().read()


def state(port):
    return json.loads(get(port, "/live/state"))


def open_page(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/live")
    answer = connection.getresponse()
    page = answer.read().decode()
    return answer.getheader("Set-Cookie").split(";")[0], re.search(r'data-csrf="([^"]+)"', page)[1]
