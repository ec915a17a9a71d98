"""MQTT without a broker: settings that cannot be, commands of strangers, what a message holds. The broker itself is in
tests/e2e/test_fleet.py."""

import json
import shutil
from dataclasses import replace

import pytest

from edge_all.domain.labels import KINDS
from edge_all.domain.types import Label, ModelIdentity, Thresholds
from edge_all.errors import ProfileError, RecordError
from edge_all.fleet.incoming import NotOursError, read_message
from edge_all.record.events.outbox import oldest
from edge_all.record.rows import SessionInfo
from edge_all.record.store import Record
from edge_all.session.commands import CommandQueue, Start, Stop
from edge_all.session.operator import Operator
from edge_all.telemetry.mqtt.commands import CommandReceiver
from edge_all.telemetry.mqtt.connection import NoConnectionError
from edge_all.telemetry.mqtt.messages import enveloped, finding_message, summary_message
from edge_all.telemetry.mqtt.outbox_listener import OutboxListener
from edge_all.telemetry.mqtt.publisher import Publisher
from edge_all.telemetry.mqtt.settings import MqttSettings
from firmware_config.sections.mqtt import Mqtt
from tests.helpers.cells import make_cell, make_counts


def test_the_profile_matches_the_settings():
    given = Mqtt(host="broker.lab", port=8884, confirm="collector")
    assert MqttSettings.of(given) == MqttSettings(host="broker.lab", port=8884, confirm="collector")
    assert MqttSettings.model_fields.keys() == Mqtt.model_fields.keys()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"confirm": "nobody"}, "mqtt.confirm"),
        ({"device": "a/b"}, "mqtt.device"),
        ({"topic": "lab/#"}, "mqtt.topic"),
        ({"port": 70_000}, "mqtt.port = 70000 is not valid: it must be a whole number from 0 to 65535"),
        ({"topic": ""}, "mqtt.topic"),
        ({"certificate_file": "a.pem"}, "needs its key"),
        ({"password_file": "/no/such", "username": "a", "commands": True}, "cannot be read"),
        ({"commands": True}, "authenticated and encrypted"),
        ({"commands": True, "username": "a"}, "authenticated and encrypted"),
        ({"commands": True, "tls": False, "certificate_file": "a", "key_file": "b"}, "authenticated and encrypted"),
    ],
)
def test_impossible_settings_are_refused(given, says):
    with pytest.raises(ProfileError, match=says):
        MqttSettings(host="broker.lab", **given).check()


def test_commands_are_allowed_where_no_one_can_eavesdrop(monkeypatch):
    monkeypatch.setenv("EDGE_ALL_MQTT_PASSWORD", "secret")
    MqttSettings(host="broker.lab", commands=True, username="a").check()
    MqttSettings(host="127.0.0.1", tls=False, commands=True, username="a").check()
    assert MqttSettings(host="b").broker_port == 8883
    assert MqttSettings(host="b", tls=False).broker_port == 1883


@pytest.mark.parametrize(
    ("payload", "retained"),
    [
        (b"", False),
        (b"\xff\xfe", False),
        (b"[" * 4000, False),
        (b'"start"', False),
        (b'{"do": "stop"}', False),
        (b'{"id": "", "do": "stop"}', False),
        (b'{"id": "1", "do": "erase"}', False),
        (b'{"id": "1", "do": "start", "sample": 7}', False),
        (b'{"id": "1", "do": "start", "sample": "a\\u0000"}', False),
        (b'{"id": "1", "do": "start", "sample": "' + b"x" * 300 + b'"}', False),
        (b'{"id": "1", "do": "stop", "sample": "S"}', False),
        (b'{"id": "1", "do": "stop", "more": 1}', False),
        (b'{"id": "1", "do": "stop", "operator": "Ada"}', False),
        (b'{"id": "1", "do": "start", "operator": 7}', False),
        (b'{"id": "1", "do": "start", "operator": "A\\u202eda"}', False),
        (b'{"id": "1", "do": "stop"' + b" " * 5000 + b"}", False),
        (b'{"id": "1", "do": "stop"}', True),
    ],
)
def test_an_invalid_command_is_answered_and_not_obeyed(payload, retained, caplog):
    queue = CommandQueue()
    receiver = CommandReceiver(queue)
    receiver.receive(payload, retained)
    assert queue.take() == []
    assert [json.loads(a)["taken"] for a in receiver.answers()] == [False]
    assert len(caplog.messages) == 1
    assert "\n" not in caplog.messages[0]


def test_a_command_is_obeyed_once_and_a_full_queue_is_reported():
    queue = CommandQueue()
    receiver = CommandReceiver(queue)
    for _ in range(2):
        receiver.receive(b'{"id": "1", "do": "start", "sample": "S1"}', False)
    receiver.receive(b'{"id": "2", "do": "stop"}', False)
    receiver.receive(b'{"id": "3", "do": "start", "sample": "S2", "operator": "Ada"}', False)
    assert queue.take() == [Start("S1"), Stop(), Start("S2", operator=Operator("Ada", proven=False))]
    for number in range(20):
        receiver.receive(json.dumps({"id": f"n{number}", "do": "stop"}).encode(), False)
    taken = [json.loads(a)["taken"] for a in receiver.answers()]
    assert taken[3:].count(False) == 20 - len(queue.take()) > 0


def _told(tmp_path, sample_ids):
    info = SessionInfo(
        "Anna 1970", "stream:rtsp://anna:secret@10.0.0.1/", "bench", (ModelIdentity("m", "1", "ab" * 32),), "test",
        Thresholds(0.8, 0.2, 0.5), None, "0.1.0",
    )  # fmt: skip
    with Record.open(tmp_path) as record:
        session = record.begin_session(info)
        listener = OutboxListener(sample_ids)
        listener.begun(record, session, info)
        for label in (Label.BLAST, Label.NORMAL):  # a sharper view takes the finding back
            cell = make_cell(1, label, 0.1, frame="patients/anna.png")
            listener.found(record, session, [cell, make_cell(2, Label.NORMAL, 0.1)], 1.0)
            record.write_cells(session, [(cell, None)])
        listener.ended(record, session, make_counts(normals=2), "no blast seen", False)
        record.end_session(session, make_counts(normals=2), "no blast seen", False)
        return [(m.kind, json.loads(m.payload)) for m in oldest(record)]


def test_findings_and_their_outcome_are_published_and_nothing_about_the_patient(tmp_path):
    told = _told(tmp_path, sample_ids=False)
    assert [kind for kind, _ in told] == ["state", "finding", "finding", "summary"]
    assert [said["label"] for kind, said in told if kind == "finding"] == ["blast", "normal"]
    everything = json.dumps(told).lower()
    for secret in ("anna", "secret", "10.0.0.1", "patients"):
        assert secret not in everything


def test_a_finding_carries_its_kind_and_a_summary_the_counts_of_kinds():
    named = finding_message("s", make_cell(1, Label.BLAST, kind="blast"), 1.0)
    assert named["kind"] == "blast"
    assert not {"reason", "calibration"} & named.keys()
    cell = make_cell(2, Label.UNIDENTIFIED, kind="blast")
    assert cell.classification is not None
    classification = replace(cell.classification, kind="", reason="too coarse", calibration="c0ffee")
    unnamed = finding_message("s", replace(cell, classification=classification), 1.0)
    assert (unnamed["kind"], unnamed["reason"], unnamed["calibration"]) == ("", "too coarse", "c0ffee")
    counts = make_counts(normals=9, kinds={"neutrophil": 6, "lymphocyte": 2})
    sent = summary_message("s", 1.0, None, counts, "words", False)["counts"]["kinds"]
    assert sent == {kind.key: {"neutrophil": 6, "lymphocyte": 2}.get(kind.key, 0) for kind in KINDS.by_model}


def test_a_model_without_kinds_sends_none():
    assert "kind" not in finding_message("s", make_cell(1), 1.0)
    assert summary_message("s", 1.0, None, make_counts(normals=9), "words", False)["counts"]["kinds"] == {}


@pytest.mark.parametrize(
    ("topic", "change", "says"),
    [
        ("finding", {"kind": "neutrophil"}, "kind does not fit its label"),
        ("finding", {"kind": "griffin"}, "kind does not fit its label"),
        ("finding", {"kind": ["blast"]}, "kind does not fit its label"),
        ("finding", {"reason": 3}, "reason"),
        ("finding", {"calibration": "c" * 300}, "calibration"),
        ("summary", {"kinds": 3}, "kinds"),
        ("summary", {"kinds": {"monocyte": -1}}, "monocyte"),
    ],
)
def test_a_collector_refuses_kinds_that_cannot_be(topic, change, says):
    content = finding_message("s", make_cell(1, Label.BLAST, kind="blast"), 1.0)
    if topic == "summary":
        content = summary_message("s", 1.0, None, make_counts(blasts=1), "words", False)
    (content["counts"] if topic == "summary" else content).update(change)
    payload = enveloped(json.dumps(content), "u1", 1, 1.0, "scope")
    with pytest.raises(NotOursError, match=says):
        read_message("scope", topic, payload.encode())


def test_the_sample_id_leaves_only_where_the_profile_allows_it(tmp_path):
    told = _told(tmp_path, sample_ids=True)
    assert [said["sample"] for kind, said in told if kind != "finding"] == ["Anna 1970", "Anna 1970"]


def test_a_record_whose_folder_disappears_is_not_recreated_for_its_messages(tmp_path, monkeypatch):
    class NoBroker:
        def __init__(self, *_, **__):
            raise NoConnectionError("no broker", "start one")

    monkeypatch.setattr("edge_all.telemetry.mqtt.publisher.Connection", NoBroker)
    publisher = Publisher(MqttSettings(host="127.0.0.1", device="d"), tmp_path / "record")
    with pytest.raises(NoConnectionError):
        publisher._one_connection()
    assert (tmp_path / "record").is_dir()
    shutil.rmtree(tmp_path / "record")
    with pytest.raises(RecordError, match="there is no record"):
        publisher._one_connection()
    assert not (tmp_path / "record").exists()
    Record.open(tmp_path / "record").close()
    with pytest.raises(NoConnectionError):
        publisher._one_connection()
