"""An hour of messages while the broker is down; then broker, collector, device and database are killed in the middle,
and a stranger repeats all of them backwards."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edge_all.record.events.outbox import outbox_use
from edge_all.record.store import Record
from tests.helpers.fleet_parts import a_session, devices, started
from tests.helpers.fleet_rig import Broker, Postgres, repeat_backwards, wait_for

SESSIONS, FINDINGS = 6, 600
"""A smear every ten minutes, a finding every second."""
EXPECTED = SESSIONS * (FINDINGS + 2)


@dataclass(frozen=True)
class Hour:
    """The results of the hour."""

    stored: int
    distinct: int
    findings: int
    summaries: int
    waiting: int
    repeated: int
    in_order: bool
    kills: int


def an_hour() -> Hour:
    """Real mosquitto without persistence, real PostgreSQL, device and collector as processes of their own."""
    with tempfile.TemporaryDirectory() as folder:
        postgres = Postgres()
        try:
            return _hour(Path(folder), postgres.start())
        finally:
            postgres.remove()


def _hour(folder: Path, postgres: Postgres) -> Hour:
    broker = Broker(folder)
    record = folder / "scope-1"
    with Record.open(record) as written:
        a_session(written, FINDINGS)
    device = devices(broker, "collector", record)  # the broker is not there
    with Record.open(record) as written:
        for _ in range(SESSIONS - 1):
            a_session(written, FINDINGS)
        assert outbox_use(written).waiting == EXPECTED
    broker.start()
    collector = _collector(broker, postgres)
    kills, repeated = 0, 0
    try:
        for share, what in ((0.1, "broker"), (0.3, "collector"), (0.5, "device"), (0.7, "database"), (0.85, "broker")):
            assert wait_for(partial(_has_stored, postgres, share * EXPECTED), 120, 0.01), (share, what)
            if what == "broker":
                broker.kill()
                broker.start()
            elif what == "collector":
                collector.kill()
                collector.wait()
                collector = _collector(broker, postgres)
            elif what == "device":
                device.kill()
                device.wait()
                device = devices(broker, "collector", record)
            else:
                postgres.stop(signal.SIGQUIT)
                postgres.start()
            kills += 1
        wait_for(lambda: _stored(postgres) >= EXPECTED, 120)
        wait_for(lambda: _waiting(record) == 0, 60)
        told = [content for (content,) in postgres.rows("SELECT content FROM message ORDER BY number")]
        repeated = len(told)
        repeat_backwards(broker.port, told)
        # A last session behind the repeated ones: when it is there, all of them were.
        with Record.open(record) as written:
            a_session(written, 1)
        wait_for(lambda: _stored(postgres) >= EXPECTED + 3 and _waiting(record) == 0, 120)
    finally:
        for process in (device, collector):
            process.kill()
            process.wait()
        broker.stop()
    (stored, distinct), *_ = postgres.rows("SELECT count(*), count(DISTINCT uid) FROM message")
    numbers = [n for (n,) in postgres.rows("SELECT number FROM message ORDER BY received, number")]
    return Hour(
        stored=stored - 3,
        distinct=distinct - 3,
        findings=postgres.rows("SELECT count(*) FROM finding")[0][0] - 1,
        summaries=postgres.rows("SELECT count(*) FROM session WHERE result IS NOT NULL")[0][0] - 1,
        waiting=_waiting(record),
        repeated=repeated,
        in_order=numbers == sorted(numbers),
        kills=kills,
    )


def _has_stored(postgres: Postgres, messages: float) -> bool:
    return _stored(postgres) >= messages


def _stored(postgres: Postgres) -> int:
    import psycopg

    try:
        return int(postgres.rows("SELECT count(*) FROM message")[0][0])
    except psycopg.Error:
        return 0


def _waiting(record: Path) -> int:
    with Record.open(record, check=False) as read:
        return outbox_use(read).waiting


def _collector(broker: Broker, postgres: Postgres) -> subprocess.Popen[bytes]:
    return started("edge_all", "collect", "--broker", f"mqtt://127.0.0.1:{broker.port}", "--database", postgres.url)


if __name__ == "__main__":
    print(an_hour())
