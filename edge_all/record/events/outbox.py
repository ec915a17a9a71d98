"""Outbox of messages to be sent, committed with the rows they report, in order, even over days without a network."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edge_all.record.store import Record

FINDING, SUMMARY, STATE = "finding", "summary", "state"
KINDS = (FINDING, SUMMARY, STATE)
MOST_WAITING = 100_000
"""Limit beyond which the oldest messages are dropped, except summaries. The data they report stays in the record."""
_CHECK_EVERY = 256
"""Number of messages between checks of the limit, because counting a full outbox takes one or two milliseconds."""

_INSERT = "INSERT INTO outbox (uid, kind, topic, payload, created) VALUES (?, ?, ?, ?, ?)"
_TOO_MANY = (
    "FROM outbox WHERE kind <> 'summary' AND id <= "
    "(SELECT id FROM outbox WHERE kind <> 'summary' ORDER BY id DESC LIMIT 1 OFFSET ?)"
)
_DROP = f"DELETE {_TOO_MANY}"
_COUNT_DROPPED = f"UPDATE outbox_use SET dropped = dropped + (SELECT COUNT(*) {_TOO_MANY})"


@dataclass(frozen=True)
class Message:
    """Waiting message."""

    id: int
    """Number that increases with the order and is never reused within a record."""
    uid: str
    """Globally unique id, by which a receiver recognizes a repeated message."""
    kind: str
    topic: str
    payload: str
    created: float
    """Seconds since the epoch, by the clock at that time."""


@dataclass(frozen=True)
class OutboxUse:
    """Usage of the outbox."""

    waiting: int
    """Number of unsent messages."""
    oldest: float | None
    """Creation time of the oldest, seconds since the epoch."""
    dropped: int
    """Number of messages dropped since the record was created."""


def append(record: Record, kind: str, topic: str, payload: str, uid: str | None = None) -> str:
    """Queue a message with the waiting rows and return its uid.

    It is committed with them in one transaction. Append it before write_cells or end_session, which commit. It is then
    on disk exactly when the data it reports is. A uid that already exists is not added again.

    Raises:
        ValueError: when the kind is not "finding", "summary" or "state".
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind of message {kind!r}: use one of {', '.join(KINDS)}")
    uid = uid or secrets.token_hex(12)
    record.queue(_INSERT + " ON CONFLICT (uid) DO NOTHING", (uid, kind, topic, payload, time.time()))
    record.appended += 1
    if record.appended % _CHECK_EVERY == 0:
        record.queue(_COUNT_DROPPED, (MOST_WAITING,))
        record.queue(_DROP, (MOST_WAITING,))
    return uid


def oldest(record: Record, count: int = 100) -> list[Message]:
    """Return the messages to send next, in order."""
    rows: list[tuple[Any, ...]] = record.rows(
        "SELECT id, uid, kind, topic, payload, created FROM outbox ORDER BY id LIMIT ?", (count,)
    )
    return [Message(*row) for row in rows]


def mark_sent(record: Record, messages: Sequence[Message]) -> None:
    """Remove delivered messages from the outbox in one transaction. Larger batches reduce writes to an SD card."""
    if not messages:
        return
    with record.transaction() as database:
        database.executemany("DELETE FROM outbox WHERE id = ?", [(m.id,) for m in messages])


def outbox_use(record: Record) -> OutboxUse:
    """Return the usage of the outbox; all values are zero or None in a record without an outbox."""
    found = record.rows(
        "SELECT (SELECT COUNT(*) FROM outbox), (SELECT created FROM outbox ORDER BY id LIMIT 1), dropped "
        "FROM outbox_use",
        (),
    )
    return OutboxUse(*found[0]) if found else OutboxUse(0, None, 0)
