"""The fleet's row: an hour of messages with the broker down, killed midway, and repeated."""

from __future__ import annotations

from benchmarks.board import Row
from tests.helpers.fleet_hour import EXPECTED, FINDINGS, SESSIONS, an_hour

NOTES = [
    "Fleet: mosquitto without persistence and PostgreSQL of Debian, device and collector as separate processes. "
    "Killed by SIGKILL: broker at 10 % and 85 % of the messages, collector at 30 %, device at 50 %; PostgreSQL by "
    "SIGQUIT at 70 %. Then another client publishes every message once more, in reverse order.",
]


def rows() -> list[Row]:
    """Measured with real components, in a minute."""
    hour = an_hour()
    reached = (
        (hour.stored, hour.distinct, hour.repeated) == (EXPECTED,) * 3
        and (hour.findings, hour.summaries) == (SESSIONS * FINDINGS, SESSIONS)
        and (hour.waiting, hour.kills) == (0, 5)
    )
    return [
        Row(
            "broker down for an hour of messages, killed midway, duplicated",
            "every message arrives, once in PostgreSQL",
            f"{hour.distinct} of {EXPECTED} arrived, {hour.stored - hour.distinct} twice",
            f"{hour.kills} kills, {hour.repeated} repeated, {hour.waiting} left in the outbox",
            reached,
        )
    ]
