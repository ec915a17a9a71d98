"""A device's outbox through a real broker into a real PostgreSQL."""

import json
import subprocess
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("paho.mqtt", reason="pip install 'edge-all[service]'")
pytest.importorskip("psycopg", reason="pip install 'edge-all[fleet]'")

from edge_all.domain.labels import Label
from edge_all.errors import EdgeAllError
from edge_all.fleet.incoming import read_message
from edge_all.fleet.schema import _STEPS, VERSION
from edge_all.fleet.store import Store
from edge_all.record.events.outbox import append, outbox_use
from edge_all.record.store import Record
from edge_all.session.commands import CommandQueue, Start, Stop
from edge_all.telemetry.mqtt.commands import CommandReceiver
from edge_all.telemetry.mqtt.messages import enveloped, finding_message, summary_message
from edge_all.telemetry.mqtt.outbox_listener import OutboxListener
from edge_all.telemetry.mqtt.publisher import Publisher
from tests.helpers.added_labels import ADDED, added_labels
from tests.helpers.cells import make_cell, make_counts
from tests.helpers.fleet_hour import EXPECTED, FINDINGS, SESSIONS, an_hour
from tests.helpers.fleet_parts import Collecting, a_session, devices, settings_of
from tests.helpers.fleet_rig import Broker, Postgres, installed, wait_for
from tests.helpers.logged_lines import lines_to

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
    assert database.rows("SELECT kind_neutrophil, kind_lymphocyte, kind_monocyte FROM session") == [(3, 1, 0)]
    assert database.rows("SELECT count(*) FROM finding WHERE label = 'blast' AND kind = 'blast'") == [(250,)]
    assert database.rows("SELECT device, online, version, now FROM device") == [
        ("scope-1", False, "0.1.0", {"phase": "idle"})
    ]
    assert database.rows("SELECT name, version FROM device_model") == [("classifier", "1")]
    everything = json.dumps(database.rows("SELECT content::text FROM message"))
    assert "Anna" not in everything
    assert "patient7" not in everything
    with Record.open(tmp_path / "record") as record:
        assert outbox_use(record).waiting == 0
        append(record, "state", "state", "{}")  # and continues from there


@pytest.mark.timeout(900)
def test_an_hour_without_broker_then_everything_killed_and_repeated():
    hour = an_hour()
    assert (hour.stored, hour.distinct) == (EXPECTED, EXPECTED)
    assert (hour.findings, hour.summaries, hour.waiting) == (SESSIONS * FINDINGS, SESSIONS, 0)
    assert (hour.repeated, hour.kills) == (EXPECTED, 5)


@pytest.mark.timeout(900)
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
    from paho.mqtt.enums import CallbackAPIVersion

    good: dict[str, object] = {
        "format": 1, "uid": "a", "number": 1, "created": 1.0, "device": "scope-1", "session": "s", "cell": 1,
        "label": "blast", "views": 1, "time": 1.0,
    }  # fmt: skip
    wrong: list[dict[str, object]] = [
        {"uid": "b\n"}, {"cell": 1e400}, {"cell": True}, {"device": "scope-2"}, {"label": 7}, {"engine": "a\0b"},
        {"engine": "\ud800"}, {"number": 10**30}, {"created": -1}, {"x": "y" * 3_000_000}, {"format": 2},
        {"picture_png": "bm8="}, {"session": ""}, {"model": [1]},
    ]  # fmt: skip
    strange = [b"\x00\xff\x00", b"[]", b"{", b"[" * 100_000]
    strange += [json.dumps(good | {"uid": str(n)} | more).encode() for n, more in enumerate(wrong)]
    with Collecting(broker, database) as collecting:
        assert wait_for(lambda: any("connected" in line for line in collecting.said)), collecting.said
        client = mqtt.Client(CallbackAPIVersion.VERSION2, "stranger")
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
    steps = [(number + 1,) for number in range(VERSION)]
    assert database.rows("SELECT version FROM edge_all_schema ORDER BY version") == steps
    database.execute(f"INSERT INTO edge_all_schema VALUES ({VERSION + 1})")
    with Store(database.url) as store, pytest.raises(EdgeAllError, match="newer edge-all"):
        store.open()


def test_the_first_schema_takes_a_label_that_was_added_later(database, monkeypatch):
    database.execute(_STEPS[0])
    database.execute("CREATE TABLE edge_all_schema (version integer NOT NULL); INSERT INTO edge_all_schema VALUES (1)")
    database.execute(
        "INSERT INTO device (device) VALUES ('d'); "
        "INSERT INTO session (device, session, blasts, smudges) VALUES ('d', 'old', 3, 4); "
        "INSERT INTO finding (device, session, cell, number, label) VALUES ('d', 'old', 1, 1, 'blast')"
    )

    def sent(kind, content, number):
        payload = enveloped(json.dumps({"session": "s", "time": 1.0, **content}), f"u{number}", number, 1.0, "d")
        return read_message("d", kind, payload.encode())

    with added_labels(monkeypatch), Store(database.url) as store:
        found = finding_message("s", make_cell(2, Label("martian")), 1.0)
        counts = make_counts(blasts=1, normals=3, martians=5, venusians=2, kinds={"monocyte": 2})
        ended = summary_message("s", 1.0, None, counts, "words", False)
        before = summary_message("before", 1.0, None, make_counts(blasts=7), "words", False)
        for name in ("kinds", *(row.count_key for row in ADDED)):
            del before["counts"][name]
        items = [sent("finding", found, 1), sent("summary", ended, 2), sent("summary", before, 3)]
        assert store.write(items) == []
    assert database.rows("SELECT session, label FROM finding ORDER BY session") == [("old", "blast"), ("s", "martian")]
    assert database.rows("SELECT session, blasts, smudges, martians, venusians FROM session ORDER BY session") == [
        ("before", 7, 0, None, None),
        ("old", 3, 4, None, None),
        ("s", 1, 0, 5, 2),
    ]
    assert database.rows("SELECT session, kind_monocyte FROM session ORDER BY session") == [
        ("before", None), ("old", None), ("s", 2),
    ]  # fmt: skip
    assert database.rows("SELECT max(version) FROM edge_all_schema") == [(VERSION,)]


def _certificates(folder):
    """An authority, and a good and an expired certificate of localhost."""
    openssl = installed("openssl", "openssl")

    def run(*arguments):
        subprocess.run([openssl, *map(str, arguments)], check=True, capture_output=True, cwd=folder)

    run(
        *[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=lab",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
        ]
    )
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    for name, dates in (("good", ["-days", "2"]), ("expired", ["-days", "-1"])):
        run(*f"req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout {name}.key -out {name}.csr".split())
        sign = f"x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -out {name}.pem"
        run(*sign.split(), *dates)


@pytest.fixture
def secured(tmp_path):
    """Makes brokers with TLS and a password, of the certificate named."""
    _certificates(tmp_path)
    passwords = tmp_path / "passwords"
    subprocess.run([installed("mosquitto_passwd", "mosquitto"), "-b", "-c", passwords, "scope", "secret"], check=True)
    passwords.chmod(0o644)
    rights = tmp_path / "rights"
    rights.write_text("pattern readwrite edge-all/%u/#\nuser scope\ntopic write edge-all/scope/#\n")
    brokers = []

    def make(certificate="good", more="allow_anonymous false"):
        lines = [f"certfile {tmp_path}/{certificate}.pem", f"keyfile {tmp_path}/{certificate}.key", more]
        brokers.append(Broker(tmp_path, f"password_file {passwords}", f"acl_file {rights}", listener="\n".join(lines)))
        return brokers[-1].start()

    yield make
    for broker in brokers:
        broker.stop()


def _safe(broker, tmp_path, **more):
    (tmp_path / "password").write_text("secret\n")
    given = {
        "device": "scope",
        "host": "localhost",
        "tls": True,
        "ca_file": str(tmp_path / "ca.pem"),
        "username": "scope",
    }
    return settings_of(broker, **{**given, "password_file": str(tmp_path / "password"), **more})


def _trouble(settings, folder, until):
    """Return what a publisher logs; its outbox is as full as before."""
    said = []
    with Record.open(folder / "record") as record:
        a_session(record, 3)
    publisher = Publisher(settings, folder / "record", lambda: {"phase": "idle"})
    with lines_to(said.append):
        publisher.start()
        assert wait_for(lambda: until in " ".join(said), 40), said
        publisher.close()
    with Record.open(folder / "record") as record:
        assert outbox_use(record).waiting == 5
    assert not any("\n" in line or "Traceback" in line for line in said)


@pytest.mark.parametrize(
    ("certificate", "more", "says"),
    [
        ("good", {"host": "no-such-host.invalid"}, "unknown host"),
        ("good", {"port": 9}, "Connection refused"),
        ("good", {"username": "stranger"}, "refused the connection (not authorized"),
        ("good", {"tls": False}, "closed the connection before answering"),
        ("good", {"ca_file": ""}, "its certificate is not accepted"),
        ("good", {"host": "127.0.0.1", "tls": True, "ca_file": "/etc/ssl/certs/none.pem"}, "cannot be used"),
        ("good", {"device": "another"}, "the broker rejects this device's messages (not authorized)"),
        ("expired", {}, "certificate has expired"),
    ],
)
def test_an_unreachable_broker_is_one_line_and_nothing_is_lost(tmp_path, secured, certificate, more, says):
    broker = secured(certificate)
    given = _safe(broker, tmp_path, **more)
    _trouble(given, tmp_path, says)


def test_commands_start_and_stop_sessions_once_and_only_for_permitted_users(tmp_path, secured):
    import paho.mqtt.client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    broker = secured()
    queue = CommandQueue()
    settings = _safe(broker, tmp_path, commands=True)
    publisher = Publisher(settings, tmp_path / "record", lambda: {"phase": "idle"}, commands=CommandReceiver(queue))
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "lab")
    client.username_pw_set("scope", "secret")
    client.tls_set(str(tmp_path / "ca.pem"))
    answers = []
    client.on_message = lambda _c, _u, m: answers.append(json.loads(m.payload))
    client.on_connect = lambda c, *_: c.subscribe("edge-all/scope/command/answer", 1)
    client.connect("localhost", broker.port)
    client.loop_start()

    def send(said, **more):
        client.publish("edge-all/scope/command", said if isinstance(said, str) else json.dumps(said), 1, **more)

    send({"id": "0", "do": "start", "sample": "retained"}, retain=True)  # before the device is there
    publisher.start()
    try:
        assert wait_for(lambda: publisher.connected, 20), publisher.trouble
        assert wait_for(lambda: len(answers) == 1, 20)
        assert "retained" in answers[0]["why"]
        for _ in range(3):  # as QoS 1 may bring it
            send({"id": "1", "do": "start", "sample": "S 1"})
        send("no JSON")
        send({"id": "2", "do": "stop"})
        assert wait_for(lambda: len(answers) == 4, 20), answers
        assert [(a["id"], a["taken"]) for a in answers[1:]] == [("1", True), (None, False), ("2", True)]
        assert queue.take() == [Start("S 1"), Stop()]
    finally:
        publisher.close()
        client.disconnect()
        client.loop_stop()


def test_a_picture_leaves_without_the_row_it_carries(tmp_path, broker, database):
    with Record.open(tmp_path / "record") as record:
        session = a_session(record, 0, end=False)
        cell = make_cell(1, frame="patient7/field.png")
        OutboxListener(False).found(record, session, [cell], 1.0)
        record.write_cells(session, [(cell, np.full((32, 32, 3), 200, np.uint8))])
    with Collecting(broker, database) as collecting:
        assert wait_for(lambda: any("connected" in line for line in collecting.said)), collecting.said
        settings = settings_of(broker, confirm="collector", pictures=True)
        publisher = Publisher(settings, tmp_path / "record")
        publisher.start()
        assert wait_for(lambda: publisher.sent == 2), publisher.trouble
        publisher.close()
    ((picture,),) = database.rows("SELECT picture FROM finding")
    assert b"patient7" in (tmp_path / "record" / "crops" / session / "1.png").read_bytes()
    assert b"patient7" not in picture
    assert cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR).shape == (32, 32, 3)
    assert "picture_png" not in json.dumps(database.rows("SELECT content::text FROM message"))


def test_home_assistant_finds_the_device(tmp_path, broker):
    import paho.mqtt.client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    heard = {}
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "home")
    client.on_message = lambda _c, _u, m: heard.setdefault(m.topic, json.loads(m.payload))
    client.on_connect = lambda c, *_: c.subscribe([("homeassistant/#", 1), ("edge-all/scope-1/now", 1)])
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    now = {"phase": "idle", "fields": 3, "temperature_c": 40}
    publisher = Publisher(settings_of(broker, discovery=True), tmp_path / "record", lambda: now)
    publisher.start()
    assert wait_for(lambda: len(heard) == 2, 20), heard
    publisher.close()
    client.disconnect()
    client.loop_stop()
    config = heard["homeassistant/device/edge_all_scope_1/config"]
    assert heard["edge-all/scope-1/now"] == now
    assert config["availability_topic"] == "edge-all/scope-1/online"
    assert config["cmps"]["fields"]["state_topic"] == "edge-all/scope-1/now"
    assert config["cmps"]["fields"]["value_template"] == "{{ value_json.fields }}"
    neutrophils = config["cmps"]["kind_neutrophil"]
    assert (neutrophils["name"], neutrophils["value_template"]) == (
        "Neutrophil", "{{ value_json.kinds.neutrophil | default(0) }}",
    )  # fmt: skip
