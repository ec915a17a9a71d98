"""The state that the device reports: /metrics and /healthz over a real session, MQTT's present state, tokens."""

import re
import socket
import threading

import pytest

pytest.importorskip("starlette", reason="the pages' packages are not installed: pip install 'edge-all[web]'")
pytest.importorskip("prometheus_client", reason="pip install 'edge-all[service]'")

from prometheus_client.parser import text_string_to_metric_families

from edge_all.cameras.opening import open_camera
from edge_all.domain.labels import KINDS
from edge_all.errors import ProfileError
from edge_all.session.commands import Start
from edge_all.session.options import SessionOptions
from edge_all.session.session import Session
from edge_all.session.station import Station
from edge_all.telemetry.device_state import DeviceState
from edge_all.telemetry.mqtt.client import monitoring_token
from edge_all.telemetry.prometheus import exposition
from edge_all.web.live.live_view import LiveView
from edge_all.web.microscope import Microscope
from firmware_config.sections.metrics import Metrics
from tests.helpers.review_record import Browser, context


@pytest.fixture(scope="module")
def microscope(tmp_path_factory):
    """After two sessions on the simulated microscope, one after another on one station."""
    record = tmp_path_factory.mktemp("record")

    def run_session(start, made):
        camera = open_camera("sim:?seed=1&fields=6")
        with Session(camera, record, SessionOptions(sample=start.sample), made_microscope.hooks()) as session:
            made(session)
            return session.run(made_microscope.took)

    station = Station("sim:", run_session)
    made_microscope = Microscope(record, station, LiveView())
    for sample in ("Anna", "Bert"):
        station.commands.put(Start(sample))
        thread = threading.Thread(target=station.run)
        thread.start()
        while station.state.sample != sample or station.state.phase != "idle":
            threading.Event().wait(0.05)
        station.close()
        thread.join()
        station._closed.clear()
    return made_microscope


@pytest.fixture
def device(microscope):
    return microscope.device


def values(device):
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(exposition(device).decode())
        for sample in family.samples
    }


def test_metrics_show_what_both_sessions_did(device):
    told = values(device)
    counts = device.counts
    assert told["edge_all_sessions_total",] == 2
    assert told["edge_all_fields_total",] == 2 * counts.fields > 0
    assert told["edge_all_frames_total",] == 2 * counts.frames > 12
    assert told["edge_all_session_cells", "normals"] == counts.of("normal")
    assert {kind.key: told["edge_all_session_kinds", kind.key] for kind in KINDS.by_model} == counts.by_kind
    assert told["edge_all_step_seconds_count", "detect"] == 2 * counts.fields
    assert told["edge_all_step_seconds_bucket", "+Inf", "record"] == 2 * counts.frames
    assert told["edge_all_frames_skipped_total", "moving"] == 2 * counts.skipped["moving"] > 0
    assert told["edge_all_step_seconds_sum", "detect"] > 0
    assert told["edge_all_phase", "idle"] == 1
    assert told["edge_all_phase", "running"] == 0
    assert told["edge_all_disk_free_bytes",] > 0
    assert told["edge_all_camera_reconnects_total",] == 0
    assert ("edge_all_mqtt_connected",) not in told


def test_nothing_of_a_patient_leaves_by_metrics_or_the_present_state(device):
    everything = exposition(device).decode() + str(device.now())
    assert "Anna" not in everything
    assert "Bert" not in everything
    assert device.now()["phase"] == "idle"
    assert device.now()["fields"] == device.counts.fields


def test_a_loop_that_hangs_fails_and_a_blocked_station_too(device):
    now = [0.0]
    watched = DeviceState(device.record, Station("sim:", lambda *_: None), clock=lambda: now[0])
    watched.on_heartbeat()
    assert not watched.fails
    now[0] = 31.0
    assert watched.fails
    assert "has stalled for 31 s" in watched.troubles()[0]
    watched.may_take(100)
    now[0] += 99
    assert not watched.fails, "engines load"
    assert watched.stalled_s <= 30
    now[0] += 2
    assert watched.fails
    watched.on_heartbeat()
    watched.station.blocked = "no model"
    assert watched.fails


def test_local_programs_need_no_login_and_get_no_cookie(tmp_path, microscope):
    from tests.helpers.review_record import fill

    fill(tmp_path)
    shared = context(tmp_path)
    shared.microscope = microscope
    browser = Browser(shared)
    answer = browser.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "set-cookie" not in answer.headers
    assert re.search(r"^edge_all_fields_total \d", answer.text, re.MULTILINE)
    health = browser.get("/healthz")
    assert health.json()["phase"] == "idle"
    microscope.device.on_heartbeat()
    assert browser.get("/healthz").json()["status"] == "ok"


@pytest.mark.parametrize(
    ("token", "given", "status"),
    [
        ("", "", 401),
        ("", "Bearer ", 401),
        ("s" * 32, "", 401),
        ("s" * 32, "Bearer wrong", 401),
        ("s" * 32, "Basic " + "s" * 32, 401),
        ("s" * 32, "Bearer " + "s" * 32, 200),
    ],
)
def test_from_another_machine_only_with_the_token(tmp_path, microscope, monkeypatch, token, given, status):
    from edge_all.web.auth.accounts import Account, hash_password
    from tests.helpers.review_record import fill

    fill(tmp_path)
    names = frozenset({socket.gethostname().lower(), "testserver", "localhost"})
    shared = context(tmp_path, loopback=False, host_names=names)
    shared.accounts.put(Account("anna", "admin", hash_password("long enough 1")))
    monkeypatch.setattr(microscope, "monitoring_token", token)
    shared.microscope = microscope
    browser = Browser(shared)
    for path in ("/metrics", "/healthz"):
        microscope.device.on_heartbeat()
        answer = browser.get(path, headers={"Authorization": given} if given else {})
        assert answer.status_code == status, (path, answer.text)
        assert "set-cookie" not in answer.headers


def test_an_invalid_token_file_is_one_line(tmp_path):
    assert monitoring_token(Metrics()) == ""
    with pytest.raises(ProfileError, match="cannot be read"):
        monitoring_token(Metrics(token_file=str(tmp_path / "none")))
    (tmp_path / "short").write_text("abc\n")
    with pytest.raises(ProfileError, match="no token of 16"):
        monitoring_token(Metrics(token_file=str(tmp_path / "short")))
    (tmp_path / "good").write_text("0123456789abcdef\n")
    assert monitoring_token(Metrics(token_file=str(tmp_path / "good"))) == "0123456789abcdef"


def test_the_dashboard_asks_for_metrics_that_there_are(device):
    """Every metric of the Grafana file, but those that only a camera, a broker or a hot machine has."""
    import json
    from pathlib import Path

    file = Path(__file__).resolve().parents[2] / "deploy" / "grafana" / "edge-all.json"
    asked = {
        name for p in json.loads(file.read_text())["panels"] for t in p["targets"] for name in NAMES.findall(t["expr"])
    }
    source = (Path(exposition.__code__.co_filename)).read_text()
    told = {name for name, *_ in values(device)}
    for name in asked - told:
        assert f'"{name.removesuffix("_total").removesuffix("_bucket")}"' in source or "edge_all_queue_" in name, name
    assert {"edge_all_fields_total", "edge_all_step_seconds_bucket", "edge_all_phase"} <= asked & told


NAMES = re.compile(r"edge_all_[a-z_]+")
