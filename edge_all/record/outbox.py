"""Messages that wait to be sent: written with the rows they tell of, in order, over days without network."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edge_all.record.record import Record

FINDING, SUMMARY, STATE = "finding", "summary", "state"
KINDS = (FINDING, SUMMARY, STATE)
MOST_WAITING = 100_000
"""Beyond it the oldest go that are no summaries; what they told of stays in the record."""
_LOOKED_AT_EVERY = 256
"""The bound is kept to within so many messages: to count a full outbox takes a millisecond or two."""

_INSERT = "INSERT INTO outbox (uid, kind, topic, payload, created) VALUES (?, ?, ?, ?, ?)"
_TOO_MANY = (
    "FROM outbox WHERE kind <> 'summary' AND id <= "
    "(SELECT id FROM outbox WHERE kind <> 'summary' ORDER BY id DESC LIMIT 1 OFFSET ?)"
)
_DROP = f"DELETE {_TOO_MANY}"
_COUNT_DROPPED = f"UPDATE outbox_use SET dropped = dropped + (SELECT COUNT(*) {_TOO_MANY})"


@dataclass(frozen=True)
class Message:
    """One that waits. id: rises with the order, never used twice within a record. uid: unique everywhere; whoever
    gets a message twice knows it by this."""

    id: int
    uid: str
    kind: str
    topic: str
    payload: str
    created: float
    """Seconds since the epoch, by the clock at that time."""


@dataclass(frozen=True)
class OutboxUse:
    """waiting: messages not sent. oldest: when the oldest was made. dropped: given up since the record began."""

    waiting: int
    oldest: float | None
    dropped: int


def append(record: Record, kind: str, topic: str, payload: str, uid: str | None = None) -> str:
    """Queue a message (kind: finding, summary or state) with the rows that wait; gives its uid.

    It is committed with them, in one transaction: append it before write_cells or end_session, which commit, and it is
    on disk exactly when what it tells of is. A uid that is there already is not added again.
    """
    if kind not in KINDS:
        raise ValueError(f"a message is one of {', '.join(KINDS)}")
    uid = uid or secrets.token_hex(12)
    record.queue(_INSERT + " ON CONFLICT (uid) DO NOTHING", (uid, kind, topic, payload, time.time()))
    record.appended += 1
    if record.appended % _LOOKED_AT_EVERY == 0:
        record.queue(_COUNT_DROPPED, (MOST_WAITING,))
        record.queue(_DROP, (MOST_WAITING,))
    return uid


def oldest(record: Record, count: int = 100) -> list[Message]:
    """The messages to be sent next, in order."""
    rows: list[tuple[Any, ...]] = record.rows(
        "SELECT id, uid, kind, topic, payload, created FROM outbox ORDER BY id LIMIT ?", (count,)
    )
    return [Message(*row) for row in rows]


def mark_sent(record: Record, messages: Sequence[Message]) -> None:
    """These arrived: they leave the outbox, in one transaction. Many at once spare an SD card."""
    if not messages:
        return
    with record.transaction() as database:
        database.executemany("DELETE FROM outbox WHERE id = ?", [(m.id,) for m in messages])


def outbox_use(record: Record) -> OutboxUse:
    """How much waits. All zero in a record without an outbox."""
    found = record.rows(
        "SELECT (SELECT COUNT(*) FROM outbox), (SELECT created FROM outbox ORDER BY id LIMIT 1), dropped "
        "FROM outbox_use",
        (),
    )
    return OutboxUse(*found[0]) if found else OutboxUse(0, None, 0)
