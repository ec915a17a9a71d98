"""A device's outbox through a real broker into a real PostgreSQL."""

import json
import tempfile
from pathlib import Path

import pytest

pytest.importorskip("paho.mqtt", reason="pip install 'edge-all[service]'")
pytest.importorskip("psycopg", reason="pip install 'edge-all[fleet]'")

from edge_all.errors import EdgeAllError
from edge_all.fleet.incoming import read_message
from edge_all.fleet.schema import VERSION
from edge_all.fleet.store import Store
from edge_all.record.outbox import append, outbox_use
from edge_all.record.record import Record
from edge_all.service.mqtt import Publisher
from tests.system.fleet_hour import EXPECTED, FINDINGS, SESSIONS, an_hour
from tests.system.fleet_parts import Collecting, a_session, devices, settings_of
from tests.system.fleet_rig import Broker, Postgres, wait_for

QUICK = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Two hundred records at once on one disk would measure that disk."""


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


def test_an_hour_without_broker_then_everything_killed_and_repeated():
    hour = an_hour()
    assert (hour.stored, hour.distinct) == (EXPECTED, EXPECTED)
    assert (hour.findings, hour.summaries, hour.waiting) == (SESSIONS * FINDINGS, SESSIONS, 0)
    assert (hour.repeated, hour.kills) == (EXPECTED, 5)


def test_two_hundred_devices_at_once(broker, database):
    count, findings, processes = 200, 20, 4
    with tempfile.TemporaryDirectory(dir=QUICK) as folder, Collecting(broker, database) as collecting:
        records = [Path(folder) / f"scope-{number:03}" for number in range(count)]
        for number, folder_of_one in enumerate(records):
            with Record.open(folder_of_one) as record:
                a_session(record, findings, sample=f"S{number}", sample_ids=True)
        running = [devices(broker, "collector", *records[n::processes]) for n in range(processes)]
        try:
            told = count * (findings + 2)
            assert wait_for(lambda: _number(database, "message") == told, 120, 0.5), collecting.said
            assert wait_for(lambda: _number(database, "device WHERE online") == count, 60)
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait(60)
        assert wait_for(lambda: _number(database, "device WHERE online") == 0, 60)
        for folder_of_one in records[::20]:
            with Record.open(folder_of_one) as record:
                assert outbox_use(record).waiting == 0
    assert database.rows("SELECT count(*), count(DISTINCT device) FROM finding") == [(count * findings, count)]
    samples = {(f"scope-{n:03}", f"S{n}") for n in range(count)}
    assert set(database.rows("SELECT device, sample FROM session")) == samples
    assert _number(database, "device_model") == _number(database, "device_version") == count
    assert _number(database, "refused") == 0


def _number(database, table):
    return database.rows(f"SELECT count(*) FROM {table}")[0][0]


def test_strangers_messages_are_kept_apart_and_stop_nothing(broker, database):
    import paho.mqtt.client as mqtt

    good = {
        "format": 1, "uid": "a", "number": 1, "created": 1.0, "device": "scope-1", "session": "s", "cell": 1,
        "label": "blast", "views": 1, "time": 1.0,
    }  # fmt: skip
    wrong = [
        {"uid": "b\n"}, {"cell": 1e400}, {"cell": True}, {"device": "scope-2"}, {"label": 7}, {"engine": "a\0b"},
        {"engine": "\ud800"}, {"number": 10**30}, {"created": -1}, {"x": "y" * 3_000_000}, {"format": 2},
        {"picture_png": "bm8="}, {"session": ""}, {"model": [1]},
    ]  # fmt: skip
    strange = [b"\x00\xff\x00", b"[]", b"{", b"[" * 100_000]
    strange += [json.dumps(good | {"uid": str(n)} | more).encode() for n, more in enumerate(wrong)]
    with Collecting(broker, database) as collecting:
        assert wait_for(lambda: any("connected" in line for line in collecting.said)), collecting.said
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "stranger")
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        for payload in strange:
            client.publish("edge-all/scope-1/finding", payload, qos=1)
        client.publish("edge-all/a b/finding", json.dumps(good), qos=1)
        client.publish("edge-all/scope-1/now", "nothing", qos=1)
        client.publish("edge-all/scope-1/finding", json.dumps(good), qos=1).wait_for_publish(10)
        assert wait_for(lambda: collecting.collector.refused == len(strange) + 2), collecting.said
        assert wait_for(lambda: database.rows("SELECT uid FROM message") == [("a",)])
        client.disconnect()
        client.loop_stop()
    assert database.rows("SELECT count(*) FROM refused") == [(len(strange) + 2,)]
    assert not any("Traceback" in line or "\n" in line for line in collecting.said)


def test_out_of_order_the_newest_view_of_a_cell_stays(database):
    with Store(database.url) as store:

        def told(number, label, uid):
            said = {
                "format": 1, "uid": uid, "number": number, "created": 1.0, "device": "d", "session": "s", "cell": 4,
                "label": label, "views": number, "time": 1.0,
            }  # fmt: skip
            return read_message("d", "finding", json.dumps(said).encode())

        store.write([told(2, "normal", "b")])
        store.write([told(1, "blast", "a"), told(2, "normal", "b"), told(1, "blast", "a")])
    assert database.rows("SELECT label, number FROM finding") == [("normal", 2)]
    assert database.rows("SELECT count(*) FROM message") == [(2,)]


def test_the_schema_is_made_once_and_a_newer_one_is_refused(database):
    for _ in range(2):
        with Store(database.url) as store:
            store.open()
    assert database.rows("SELECT version FROM edge_all_schema") == [(VERSION,)]
    database.execute(f"INSERT INTO edge_all_schema VALUES ({VERSION + 1})")
    with Store(database.url) as store, pytest.raises(EdgeAllError, match="newer edge-all"):
        store.open()
