"""A device's session and a collector, as tests and scores need them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_all.domain.types import ModelIdentity, Thresholds
from edge_all.fleet.collector import Collector
from edge_all.fleet.store import Store
from edge_all.record.rows import SessionInfo
from edge_all.record.store import Record
from edge_all.telemetry.mqtt.outbox_listener import OutboxListener
from edge_all.telemetry.mqtt.settings import MqttSettings
from tests.helpers.cells import make_cell, make_counts
from tests.helpers.logged_lines import lines_to

if TYPE_CHECKING:
    from tests.helpers.fleet_rig import Broker, Postgres

FINDINGS_A_FIELD = 10
ROOT = Path(__file__).resolve().parents[2]


def started(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A Python program of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-m", module, *arguments], cwd=ROOT, env=environment)


def devices(broker: Broker, confirm: str, *records: Path) -> subprocess.Popen[bytes]:
    """Devices in one process, each named as its record's folder."""
    return started("tests.helpers.fleet_device", str(broker.port), confirm, *map(str, records))


class Collecting:
    """A collector in a thread."""

    def __init__(self, broker: Broker, database: Postgres, **more: Any) -> None:
        self.said: list[str] = []
        settings = MqttSettings(host="127.0.0.1", port=broker.port, tls=False, device="collector", **more)
        self.collector = Collector(settings, Store(database.url))
        self.thread = threading.Thread(target=self.collector.run, daemon=True)

    def __enter__(self) -> Collecting:
        self.logging = lines_to(self.said.append, "edge_all.fleet")
        self.logging.__enter__()
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.logging.__exit__(None, None, None)
        self.collector.stop()
        self.thread.join(30)
        assert not self.thread.is_alive()


def settings_of(broker: Broker, device: str = "scope-1", **more: Any) -> MqttSettings:
    values: dict[str, Any] = {"host": "127.0.0.1", "port": broker.port, "tls": False, "device": device, **more}
    return MqttSettings(**values)


def a_session(
    record: Record, findings: int, sample: str | None = None, sample_ids: bool = False, end: bool = True
) -> str:
    """Write a session as edge-all run does, and return its id."""
    model = ModelIdentity("classifier", "1", "ab" * 32)
    info = SessionInfo(
        sample, "files:/home/anna/patient7", "default", (model,), "test", Thresholds(0.8, 0.2, 0.5), None, "0.1.0"
    )
    session = record.begin_session(info)
    listener = OutboxListener(sample_ids)
    listener.begun(record, session, info)
    for first in range(1, findings + 1, FINDINGS_A_FIELD):
        numbers = range(first, min(first + FINDINGS_A_FIELD, findings + 1))
        cells = [make_cell(number, frame="patient7/field.png", kind="blast") for number in numbers]
        listener.found(record, session, cells, 1.7e9 + first)
        record.write_cells(session, [(cell, None) for cell in cells])
    if end:
        kinds = {"neutrophil": 3, "lymphocyte": 1}
        counts = make_counts(fields=findings, frames=findings, blasts=findings, normals=5, kinds=kinds)
        listener.ended(record, session, counts, "review suggested", False)
        record.end_session(session, counts, "review suggested", False)
    return session
