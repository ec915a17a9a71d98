"""The fleet's row: an hour of messages while the broker is down, killed in the middle, repeated."""

from __future__ import annotations

from tests.scores.board import Row
from tests.system.fleet_hour import EXPECTED, FINDINGS, SESSIONS, an_hour

NOTES = [
    "Fleet: mosquitto without persistence and PostgreSQL of Debian, device and collector as processes of their own. "
    "Killed by SIGKILL: broker at 10 % and 85 % of the messages, collector at 30 %, device at 50 %; PostgreSQL by "
    "SIGQUIT at 70 %. Then a stranger publishes every message once more, the last first.",
]


def rows() -> list[Row]:
    """Measured with real parts, a minute."""
    hour = an_hour()
    reached = (
        (hour.stored, hour.distinct, hour.repeated) == (EXPECTED,) * 3
        and (hour.findings, hour.summaries) == (SESSIONS * FINDINGS, SESSIONS)
        and (hour.waiting, hour.kills) == (0, 5)
    )
    return [
        Row(
            "broker down for an hour of messages, killed in the middle, duplicated",
            "every message arrives, once in PostgreSQL",
            f"{hour.distinct} of {EXPECTED} arrived, {hour.stored - hour.distinct} twice",
            f"{hour.kills} kills, {hour.repeated} repeated, {hour.waiting} left in the outbox",
            reached,
        )
    ]
