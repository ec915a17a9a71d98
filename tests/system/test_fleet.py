"""A device's outbox through a real broker into a real PostgreSQL."""

import json
import threading

import pytest

pytest.importorskip("paho.mqtt", reason="pip install 'edge-all[mqtt]'")
pytest.importorskip("psycopg", reason="pip install 'edge-all[fleet]'")

from edge_all.fleet.collector import Collector
from edge_all.fleet.store import Store
from edge_all.record.outbox import append, outbox_use
from edge_all.record.record import Record
from edge_all.record.rows import SessionInfo
from edge_all.service.announcing import OutboxAnnouncer
from edge_all.service.mqtt import Publisher
from edge_all.service.mqtt_settings import MqttSettings
from edge_all.vocabulary import Counts, ModelIdentity, Thresholds
from tests.conftest import make_cell
from tests.system.fleet_rig import Broker, Postgres, wait_for


@pytest.fixture(scope="module")
def postgres():
    server = Postgres()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def database(postgres):
    postgres.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return postgres


@pytest.fixture
def broker(tmp_path):
    server = Broker(tmp_path)
    yield server.start()
    server.stop()


class Collecting:
    """A collector in a thread."""

    def __init__(self, broker, database, **more):
        self.said = []
        settings = MqttSettings(host="127.0.0.1", port=broker.port, tls=False, device="collector", **more)
        self.collector = Collector(settings, Store(database.url), self.said.append)
        self.thread = threading.Thread(target=self.collector.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.collector.stop()
        self.thread.join(30)
        assert not self.thread.is_alive()


def settings_of(broker, device="scope-1", **more):
    return MqttSettings(**{"host": "127.0.0.1", "port": broker.port, "tls": False, "device": device, **more})


def a_session(record, findings, sample=None, sample_ids=False, end=True):
    """As edge-all run writes it."""
    model = ModelIdentity("classifier", "1", "ab" * 32)
    info = SessionInfo(sample, "files:/home/anna/patient7", "default", (model,), "test", Thresholds(0.8, 0.2, 0.5), None, "0.1.0")
    session = record.begin_session(info)
    announcer = OutboxAnnouncer(sample_ids)
    announcer.begun(record, session, info)
    for number in range(1, findings + 1):
        cell = make_cell(number, frame="patient7/field.png")
        announcer.found(record, session, [cell], 1.7e9 + number)
        record.write_cells(session, [(cell, None)])
    if end:
        counts = Counts(fields=findings, frames=findings, blasts=findings, normals=5)
        announcer.ended(record, session, counts, "review suggested", False)
        record.end_session(session, counts, "review suggested", False)
    return session


@pytest.mark.parametrize("confirm", ["broker", "collector"])
def test_a_session_arrives(tmp_path, broker, database, confirm):
    with Record.open(tmp_path / "record") as record:
        session = a_session(record, 250, sample="Anna")
    with Collecting(broker, database) as collecting:
        assert wait_for(lambda: any("connected" in line for line in collecting.said)), collecting.said
        publisher = Publisher(settings_of(broker, confirm=confirm), tmp_path / "record", lambda: {"phase": "idle"})
        publisher.start()
        assert wait_for(lambda: publisher.sent == 252), (publisher.trouble, collecting.said)
        publisher.close()
        assert wait_for(lambda: collecting.collector.stored >= 252), collecting.said
        assert wait_for(lambda: database.rows("SELECT online FROM device") == [(False,)])
    assert database.rows("SELECT count(*), count(distinct uid) FROM message") == [(252, 252)]
    assert database.rows("SELECT session, sample, blasts, normals, result FROM session") == [
        (session, None, 250, 5, "review suggested")
    ]
    assert database.rows("SELECT count(*) FROM finding WHERE label = 'blast'") == [(250,)]
    assert database.rows("SELECT device, online, version, now FROM device") == [
        ("scope-1", False, "0.1.0", {"phase": "idle"})
    ]
    assert database.rows("SELECT name, version FROM device_model") == [("classifier", "1")]
    everything = json.dumps(database.rows("SELECT content::text FROM message"))
    assert "Anna" not in everything
    assert "patient7" not in everything
    with Record.open(tmp_path / "record") as record:
        assert outbox_use(record).waiting == 0
        append(record, "state", "state", "{}")  # and goes on from there
