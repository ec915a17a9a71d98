"""edge-all service as its own process: what systemd, a person at the page and a person at a terminal see of it."""

import json
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

pytest.importorskip("uvicorn", reason="the pages' packages are not installed: pip install 'edge-all[web]'")

from edge_all.errors import EdgeAllError
from edge_all.service.watchdog import SLOW_STEP_S
from edge_all.web.auth.accounts import Account, Accounts, hash_password
from tests.helpers.running_service import Running


def test_a_day_of_the_service(tmp_path):
    """Idle with a picture; sessions by command, the next sample closes the one before; killed, the session resumes;
    SIGTERM ends it cleanly."""
    with Running(tmp_path).wait_ready() as service:
        assert json.loads(service.page())["phase"] == "idle"
        service.wait_for(lambda: service.page("/live/picture.jpg").startswith(b"\xff\xd8"))
        assert json.loads(service.page())["picture"]
        service.steer("start", "S1")
        service.wait_for(lambda: "1 fields" in service.status or "2 fields" in service.status, 90)
        first = service.state["session_id"]
        # Until ready systemd waits for the record; afterwards for engines that load, and then as usual again.
        told = [m for m in service.listen() if "_USEC=" in m or m.startswith("READY=1")]
        assert [m.split("=")[0] for m in told[:3]] == ["EXTEND_TIMEOUT_USEC", "READY", "WATCHDOG_USEC"]
        patience = [int(m.split("=")[1]) / 1e6 for m in told if m.startswith("WATCHDOG_USEC=")]
        assert patience == [SLOW_STEP_S, 30.0] * (len(patience) // 2)
        assert len(patience) >= 4, "models are looked at after the start, and loaded for the session"
        service.steer("start", "S2")
        service.wait_for(lambda: service.state["sample"] == "S2" and service.state["phase"] == "running")
        second = service.state["session_id"]
        service.wait_for(lambda: second in service.status and "fields" in service.status)
        service.process.kill()
        service.process.wait(20)
        service.messages.clear()
        service.start()
        service.wait_ready()
        service.wait_for(lambda: service.state["phase"] == "running")
        assert (service.state["session_id"], service.state["sample"]) == (second, "S2")
        assert f"event=goes-on session={second}" in service.journal
        service.steer("pause")
        service.wait_for(lambda: service.state["phase"] == "paused")
        service.steer("resume")
        service.wait_for(lambda: service.state["phase"] == "running")
        service.process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        assert service.process.wait(30) == 0
        lasted = time.monotonic() - started
        assert lasted < 15, "the session's end itself is measured under systemd, in tests/e2e"
        with service.record() as record:
            sessions = record.sessions()
            assert [(s.id, s.sample, bool(s.ended)) for s in sessions] == [(first, "S1", True), (second, "S2", True)]
        assert "STOPPING=1" in service.listen()[-1]
        for word in ("S1", "S2"):
            assert word not in service.journal, "no sample id in the journal"
        for event in ("start", "ready", "state", "first-field", "session-end", "end"):
            assert re.search(rf"^event={event}\b", service.journal, re.M), event


def test_heartbeats_come_from_the_loop(tmp_path):
    """While idle, while a session runs, while no frame comes; none while the loop is held."""
    with Running(tmp_path, camera="sim:?seed=3&fields=4000&fps=0.2").wait_ready() as service:

        def lives(seconds):
            before = service.listen().count("WATCHDOG=1")
            time.sleep(seconds)
            return service.listen().count("WATCHDOG=1") - before

        assert lives(3) >= 1
        service.steer("start", "S1")
        service.wait_for(lambda: service.state["phase"] == "running")
        assert lives(4) >= 1, "a frame comes every five seconds: time-outs give signs of life"
        service.process.send_signal(signal.SIGSTOP)
        time.sleep(0.5)
        assert lives(3) == 0
        service.process.send_signal(signal.SIGCONT)


def test_autostart_starts_without_a_sample(tmp_path):
    with Running(tmp_path, "[service]\nautostart = true\n").wait_ready() as service:
        service.wait_for(lambda: service.state["phase"] == "running")
        assert service.state["sample"] is None


def expired_certificate(folder):
    folder.mkdir(exist_ok=True)
    names = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "old.pem"), "-subj", "/CN=old", "-nodes"]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", *names], check=True, capture_output=True)
    request = ["openssl", "x509", "-in", str(folder / "old.pem"), "-signkey", str(folder / "key.pem"), "-days", "-1"]
    subprocess.run([*request, "-out", str(folder / "expired.pem")], check=True, capture_output=True)
    return folder / "expired.pem", folder / "key.pem"


def told_everywhere(service, words, port=None):
    """On the page, in STATUS, in the journal, and by the socket."""
    service.wait_for(lambda: words in service.status)
    service.wait_for(lambda: re.search(f"^event=problem .*{re.escape(words)}", service.journal, re.M))
    assert any(words in problem for problem in service.state["problems"])
    assert words in json.loads(service.page(port=port))["error"]
    assert service.process.poll() is None


def test_bad_settings_mean_safe_mode_until_they_are_fixed(tmp_path):
    with Running(tmp_path, "[engine]\nthreads = 999\n\n[optics\n").wait_ready() as service:
        told_everywhere(service, "20-bench.toml, line 4")
        assert "safe mode" in service.status
        with pytest.raises(EdgeAllError, match=r"20-bench\.toml"):
            service.steer("start", "S1")
        (tmp_path / "etc" / "20-bench.toml").write_text("[engine]\nthreads = 999\n")
        service.process.send_signal(signal.SIGHUP)
        service.wait_for(lambda: "engine.threads = 999" in service.status)
        (tmp_path / "etc" / "20-bench.toml").write_text("")
        service.process.send_signal(signal.SIGHUP)
        service.wait_for(lambda: not service.state["problems"])
        service.steer("start", "S1")
        service.wait_for(lambda: service.state["phase"] == "running")
        assert "event=mended what=settings" in service.journal


def test_a_missing_camera_is_reported_and_used_when_it_appears(tmp_path):
    camera = tmp_path / "microscope.png"
    with Running(tmp_path, camera=str(camera)).wait_ready() as service:
        told_everywhere(service, "microscope.png")
        service.steer("start", "S1")
        service.wait_for(lambda: service.state["error"])
        assert "microscope.png" in service.state["error"]
        import cv2
        import numpy as np

        cv2.imwrite(str(camera), np.full((240, 320, 3), 220, np.uint8))
        service.wait_for(lambda: not service.state["problems"])


def test_repairs_of_the_record_are_in_the_journal(tmp_path):
    from edge_all.record.db.connection import DATABASE
    from edge_all.record.store import Record
    from tests.helpers.cells import INFO

    record = tmp_path / "state" / "record"
    with Record.open(record) as opened:
        opened.begin_session(INFO)
    (record / DATABASE).write_bytes(b"SQLite format 3\0" + bytes(8192))
    with Running(tmp_path).wait_ready() as service:
        assert re.search("^event=record text=.*set aside in damaged-", service.journal, re.M)
        assert len(json.loads(service.page("/healthz"))) > 0


def test_a_port_in_use_moves_the_pages(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with Running(tmp_path, f"[web]\nport = {port}\n").wait_ready() as service:
            other = int(re.search(r"http://127.0.0.1:(\d+)/", service.status)[1])
            assert other != port
            told_everywhere(service, f"cannot listen on 127.0.0.1:{port}", other)


def test_an_expired_certificate_is_reported_and_replaced_by_a_self_signed_one(tmp_path):
    import ssl

    certificate, key = expired_certificate(tmp_path / "tls")
    Accounts(tmp_path / "state" / "users.json").put(Account("ada", "admin", hash_password("a long password")))
    # On the loopback pages are served without TLS.
    settings = f'[web]\nhost = "0.0.0.0"\ncertificate = "{certificate}"\nkey = "{key}"\n'
    with Running(tmp_path, settings).wait_ready() as service:
        service.wait_for(lambda: "has expired" in service.status)
        assert re.search("^event=problem .*what=certificate .*has expired", service.journal, re.M)
        shown = ssl.get_server_certificate(("127.0.0.1", service.port))
        assert shown.strip() != certificate.read_text().strip()


def test_a_model_of_another_contract_is_safe_mode(tmp_path):
    from edge_all.modelstore.shipped import models_folder

    models = tmp_path / "models"
    for task, other in (("detector", "classifier"), ("classifier", "detector")):
        (models / task).mkdir(parents=True)
        (models / task / "float.onnx").write_bytes((models_folder() / other / "float.onnx").read_bytes())
    with Running(tmp_path, options=("--models", str(models))).wait_ready() as service:
        service.wait_for(lambda: service.state["problems"])
        told_everywhere(service, service.state["problems"][0][:60])
        assert "safe mode" in service.status
        with pytest.raises(EdgeAllError):
            service.steer("start", "S1")


def test_a_second_service_does_not_take_the_firsts_socket(tmp_path):
    with Running(tmp_path).wait_ready() as service:
        again = subprocess.run(
            [sys.executable, "-m", "edge_all", "session", "status"],
            env=service.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (again.returncode, again.stdout.strip()) == (0, "idle")
        second = Running(tmp_path, environment={"NOTIFY_SOCKET": ""})
        second.wait_for(lambda: "another service is running" in service.journal)
        second.process.terminate()
        second.process.wait(20)
        assert service.state["phase"] == "idle", "the first one still answers"
