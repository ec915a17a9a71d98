"""A running service and a real broker: what the laboratory gets, what it can ask for, and what SIGHUP changes."""

import json
import signal
import subprocess
import threading

import pytest

pytest.importorskip("uvicorn", reason="the pages' packages are not installed: pip install 'edge-all[web]'")
pytest.importorskip("paho.mqtt", reason="pip install 'edge-all[service]'")

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.helpers.fleet_rig import Broker, installed, wait_for
from tests.helpers.running_service import Running

FINDINGS = "sim:?seed=3&fields=4000&fps=5&frames_per_field=1&blast_fraction=0.6&cells=5"


class Laboratory:
    """Listens to all messages that a broker receives."""

    def __init__(self, broker):
        self.messages, self._lock = [], threading.Lock()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, "laboratory")
        self.client.username_pw_set("scope", "secret")
        self.client.on_message = self._take
        self.client.on_connect = lambda client, *_: client.subscribe("edge-all/#", 1)
        self.client.connect("127.0.0.1", broker.port)

    def __enter__(self):
        self.client.loop_start()
        return self

    def __exit__(self, *_):
        self.client.disconnect()
        self.client.loop_stop()

    def _take(self, _client, _data, message):
        with self._lock:
            self.messages.append((message.topic, message.payload.decode()))

    def told(self, topic):
        """In the order in which it came; each once, by its uid."""
        with self._lock:
            payloads = [p for t, p in self.messages if t == f"edge-all/scope-7/{topic}"]
        if topic == "online":
            return payloads
        return list({said.get("uid", i): said for i, said in enumerate(map(json.loads, payloads))}.values())

    def asks(self, **command):
        self.client.publish("edge-all/scope-7/command", json.dumps(command), 1)


@pytest.fixture
def make_broker(tmp_path):
    """Only who knows the password may come."""
    made = []
    (tmp_path / "passwords").touch()

    def make():
        program = installed("mosquitto_passwd", "mosquitto")
        subprocess.run([program, "-b", str(tmp_path / "passwords"), "scope", "secret"], check=True, capture_output=True)
        listener = f"allow_anonymous false\npassword_file {tmp_path / 'passwords'}"
        made.append(Broker(tmp_path, listener=listener))
        return made[-1].start()

    yield make
    for broker in made:
        broker.stop()


def mqtt_section(broker, folder, **more):
    (folder / "mqtt-password").write_text("secret\n")
    values = {
        "host": "127.0.0.1",
        "port": broker.port,
        "tls": False,
        "username": "scope",
        "password_file": str(folder / "mqtt-password"),
        "device": "scope-7",
        "commands": True,
        "sample_ids": True,
        **more,
    }
    return "[mqtt]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


def test_a_session_by_mqtt_from_its_start_to_its_summary(tmp_path, make_broker):
    """Over a broker that dies in the middle. The last will reports a kill -9 of the service; a session that cannot
    resume afterwards is reported as ended."""
    broker = make_broker()
    with Running(tmp_path, mqtt_section(broker, tmp_path), camera=FINDINGS).wait_ready() as service:
        with Laboratory(broker) as laboratory:
            service.wait_for(lambda: laboratory.told("online")[-1:] == ["online"])
            service.wait_for(lambda: any(said["phase"] == "idle" for said in laboratory.told("now")))
            laboratory.asks(id="1", do="start", sample="S 1")
            service.wait_for(lambda: any(said["phase"] == "running" for said in laboratory.told("now")))
            assert laboratory.told("command/answer") == [{"id": "1", "taken": True, "why": None}]
            first = service.state["session_id"]
            service.wait_for(lambda: len(laboratory.told("finding")) >= 3, 120)
            (started,) = laboratory.told("state")
            assert (started["state"], started["session"], started["sample"]) == ("session begun", first, "S 1")
        broker.kill()
        service.wait_for(lambda: "event=mqtt" in service.journal and "broker closed" in service.journal)
        counted = service.state["session_id"]
        broker.start()
        with Laboratory(broker) as laboratory:
            laboratory_got = laboratory.told
            service.wait_for(lambda: len(laboratory_got("finding")) >= 3, 120)
            laboratory.asks(id="2", do="stop")
            service.wait_for(lambda: laboratory_got("summary"), 120)
            (summary,) = laboratory_got("summary")
            with service.record() as record:
                row = record.session(first)
            assert counted == first
            assert (summary["session"], summary["sample"], summary["interrupted"]) == (first, "S 1", row.interrupted)
            assert [summary["counts"][name] for name in ("fields", "blasts", "normals", "unidentified")] == [
                row.counts.fields,
                row.counts.blasts,
                row.counts.of("normal"),
                row.counts.of("unidentified"),
            ]
            service.wait_for(lambda: service.state["phase"] == "idle")
            laboratory.asks(id="3", do="start", sample="S 2")
            service.wait_for(lambda: service.state["phase"] == "running")
            second = service.state["session_id"]
            service.wait_for(lambda: any(said["session"] == second for said in laboratory_got("finding")), 120)
            service.process.kill()
            service.process.wait(20)
            assert wait_for(lambda: laboratory_got("online")[-1] == "offline")
            settings = tmp_path / "etc" / "20-bench.toml"
            settings.write_text(settings.read_text() + "[optics]\num_per_px = 0.11\n")
            service.messages.clear()
            service.start()
            service.wait_ready()
            service.wait_for(lambda: len(laboratory_got("summary")) == 2, 120)
            told = laboratory_got("summary")[-1]
            assert (told["session"], told["sample"], told["interrupted"]) == (second, "S 2", True)
            service.process.send_signal(signal.SIGTERM)
            assert service.process.wait(30) == 0
            assert wait_for(lambda: laboratory_got("online")[-1] == "offline")


def test_sighup_reloads_the_reloadable_settings(tmp_path, make_broker):
    """Another broker, camera, retention at once, in the same process; a changed page wants a restart."""
    first, second = make_broker(), make_broker()
    settings = tmp_path / "etc" / "20-bench.toml"
    with Running(tmp_path, mqtt_section(first, tmp_path)).wait_ready() as service:
        with Laboratory(first) as laboratory:
            service.wait_for(lambda: laboratory.told("online")[-1:] == ["online"])
            service.messages.clear()
            settings.write_text(mqtt_section(second, tmp_path))
            service.process.send_signal(signal.SIGHUP)
            service.wait_for(lambda: laboratory.told("online")[-1] == "offline")
        with Laboratory(second) as laboratory:
            service.wait_for(lambda: laboratory.told("online")[-1:] == ["online"])
            service.wait_for(lambda: any(m.startswith("READY=1") for m in service.listen()))
            assert any(m.startswith("RELOADING=1") for m in service.listen())

            missing = f'[camera]\nuri = "{tmp_path}/nothing.png"\n'
            settings.write_text(mqtt_section(second, tmp_path) + missing)
            service.process.send_signal(signal.SIGHUP)
            service.wait_for(lambda: any("nothing.png" in problem for problem in service.state["problems"]))
            settings.write_text(mqtt_section(second, tmp_path))
            service.process.send_signal(signal.SIGHUP)
            service.wait_for(lambda: not service.state["problems"])

            laboratory.asks(id="1", do="start", sample="S1")
            service.wait_for(lambda: "fields" in service.status, 120)
            session = service.state["session_id"]
            # The disk can never have this much room, so all that may be deleted is deleted, which is not enough.
            settings.write_text(mqtt_section(second, tmp_path) + "[retention]\nbudget_gib = 0.00001\n")
            service.process.send_signal(signal.SIGHUP)
            service.wait_for(lambda: any("exceeds its space" in problem for problem in service.state["problems"]))
            assert (service.state["phase"], service.state["session_id"]) == ("running", session)
            settings.write_text(mqtt_section(second, tmp_path) + "[web]\nport = 9\n")
            service.process.send_signal(signal.SIGHUP)
            service.wait_for(lambda: any("restart the service" in problem for problem in service.state["problems"]))
            settings.write_text(mqtt_section(second, tmp_path))
            service.process.send_signal(signal.SIGHUP)
            service.wait_for(lambda: not service.state["problems"])
            assert service.state["session_id"] == session
            assert service.process.poll() is None
