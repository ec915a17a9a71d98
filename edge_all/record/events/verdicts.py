"""Verdicts of reviewers on cells, and approvals of sessions. Rows are only ever added."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_all.domain.labels import KINDS, LABELS
from edge_all.errors import NotRecordedError, ReviewError
from edge_all.record.store import Record
from edge_all.record.write.sidecar import note_rows

MOST_AT_ONCE = 500
_STILL_RUNNING_S = 60.0
"""A session without an end is still running if its last frame is newer than this; otherwise it was interrupted."""


@dataclass(frozen=True)
class Reviewer:
    """Person who gives a verdict."""

    name: str
    proven: bool
    """True if logged in; False if only a name was given."""


@dataclass(frozen=True)
class Verdict:
    """One row of the audit trail."""

    id: int
    session: str
    cell: int
    reviewer: str
    proven: bool
    """True if the reviewer was logged in; False if only a name was given."""
    label: str | None
    """Label given by the reviewer; None in a row that reverts another."""
    kind: str | None
    """Kind of the cell, of those that its label has."""
    time: float
    """Seconds since the epoch."""
    reverts_id: int | None = None
    """Id of the row that this one reverts."""


@dataclass(frozen=True)
class Approval:
    """Approval (signature) or reopening of a session."""

    id: int
    session: str
    reviewer: str
    proven: bool
    action: str
    """"approve" or "reopen"."""
    time: float
    """Seconds since the epoch."""
    note: str | None = None


def all_verdicts(record: Record, session: str) -> list[Verdict]:
    """Return every row, oldest first, including reverted rows and those that revert them."""
    rows = record.rows(
        "SELECT id, session, cell, reviewer, proven, label, kind, time, undoes FROM verdict WHERE session = ? "
        "ORDER BY id",
        (session,),
    )
    # A record of an older version that is opened read-only has former keys.
    return [
        Verdict(*r[:4], bool(r[4]), None if r[5] is None else LABELS.current(r[5]), *r[6:])  # type: ignore[call-arg]
        for r in rows
    ]


def standing(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return the verdicts with a label that are not reverted, oldest first. A reversion can itself be reverted."""
    undone: set[int] = set()
    left = []
    for verdict in sorted(verdicts, key=lambda v: v.id, reverse=True):
        if verdict.id in undone:
            continue
        if verdict.reverts_id is not None:
            undone.add(verdict.reverts_id)
        elif verdict.label is not None:
            left.append(verdict)
    return left[::-1]


def latest_verdicts(record: Record, session: str) -> dict[int, Verdict]:
    """Return the effective verdict for each cell: the last one given by any reviewer."""
    return {v.cell: v for v in standing(all_verdicts(record, session))}


def by_reviewer(verdicts: Sequence[Verdict]) -> Mapping[Reviewer, Mapping[int, Verdict]]:
    """Return each reviewer's last verdict on each cell.

    A logged-in reviewer and one who only gave the same name count as two reviewers.
    """
    given: dict[Reviewer, dict[int, Verdict]] = {}
    for verdict in standing(verdicts):
        given.setdefault(Reviewer(verdict.reviewer, verdict.proven), {})[verdict.cell] = verdict
    return given


def give_verdicts(
    record: Record, session: str, cells: Sequence[int], label: str, kind: str | None, reviewer: Reviewer
) -> list[Verdict]:
    """Add the same verdict for each of the cells (1 to 500), all with the same time; on disk when this returns.

    Raises:
        ReviewError: when the session is approved, the label or kind is invalid, or there are too many cells.
        NotRecordedError: when one of them is not a cell of this session.
    """
    label = LABELS.current(label)  # of a page that was open during an update
    if label not in LABELS or (kind is not None and (kind not in KINDS or KINDS[kind].label != label)):
        labels, with_kinds = ", ".join(row.key for row in LABELS), " or ".join(KINDS.labels)
        raise ReviewError("invalid verdict", f"labels are {labels}; only a {with_kinds} cell may have a kind")
    numbers = list(dict.fromkeys(cells))
    if not 1 <= len(numbers) <= MOST_AT_ONCE:
        raise ReviewError(f"cannot give a verdict on {len(numbers)} cells at once", f"choose 1 to {MOST_AT_ONCE}")
    with record.transaction() as database:
        _refuse_approved(database, session)
        marks = ", ".join("?" * len(numbers))
        known = database.execute(
            f"SELECT COUNT(*) FROM cell WHERE session = ? AND number IN ({marks})", (session, *numbers)
        ).fetchone()[0]
        if known != len(numbers):
            raise NotRecordedError("one of these cells is not in this session", "reload the page")
        now = _next_time(database, session)
        given = [
            _add(database, Verdict(0, session, cell, reviewer.name, reviewer.proven, label, kind, now))
            for cell in numbers
        ]
    note_rows(record, session, "verdict", given[0].id - 1)
    return given


def undo_last(record: Record, session: str, reviewer: Reviewer) -> list[Verdict]:
    """Revert the last verdict of this reviewer in this session, on all its cells, and return the reverted verdicts.

    Raises:
        ReviewError: when the session is approved, or when this reviewer has no verdict left to revert.
    """
    with record.transaction() as database:
        _refuse_approved(database, session)
        own = [v for v in standing(all_verdicts(record, session)) if Reviewer(v.reviewer, v.proven) == reviewer]
        if not own:
            raise ReviewError("there is nothing to undo", "only your own verdicts in this session can be undone")
        last = [v for v in own if v.time == own[-1].time]
        now = _next_time(database, session)
        reverted = [
            _add(
                database,
                Verdict(0, session, verdict.cell, reviewer.name, reviewer.proven, None, None, now, verdict.id),
            )
            for verdict in last
        ]
    note_rows(record, session, "verdict", reverted[0].id - 1)
    return last


def approvals(record: Record, session: str) -> list[Approval]:
    """Return every approval and reopening, oldest first."""
    rows = record.rows(
        "SELECT id, session, reviewer, proven, action, time, note FROM approval WHERE session = ? ORDER BY id",
        (session,),
    )
    return [Approval(r[0], r[1], r[2], bool(r[3]), *r[4:]) for r in rows]


def standing_approval(record: Record, session: str) -> Approval | None:
    """Return the approval in force; None if there is none or if the session was reopened since."""
    given = approvals(record, session)
    return given[-1] if given and given[-1].action == "approve" else None


def approved_sessions(record: Record) -> set[str]:
    """Return the ids of the sessions whose approval is in force."""
    rows = record.rows("SELECT session, action FROM approval ORDER BY id", ())
    return {str(session) for session, action in dict(rows).items() if action == "approve"}


def approve(record: Record, session: str, reviewer: Reviewer, note: str | None = None) -> None:
    """Lock a session, so that no verdict can be added until it is reopened.

    Raises:
        ReviewError: when the session is already approved or still running.
    """
    with record.transaction() as database:
        _refuse_approved(database, session)
        refuse_running(database, session)
        _add_approval(database, session, reviewer, "approve", note)
    note_rows(record, session, "approval")


def reopen(record: Record, session: str, reviewer: Reviewer, note: str | None = None) -> None:
    """Unlock an approved session; both rows are kept. Raises ReviewError if it is not approved."""
    with record.transaction() as database:
        if _last_action(database, session) != "approve":
            raise ReviewError("the session is not approved", "there is nothing to reopen")
        _add_approval(database, session, reviewer, "reopen", note)
    note_rows(record, session, "approval")


def refuse_running(database: sqlite3.Connection, session: str) -> None:
    """Raise ReviewError if a session is running, that is, it has no end and its last frame is recent."""
    started, ended, last = database.execute(
        "SELECT begun, ended, (SELECT MAX(time) FROM frame WHERE session = id) FROM session WHERE id = ?", (session,)
    ).fetchone()
    if ended is None and time.time() - max(started, last or 0.0) < _STILL_RUNNING_S:
        raise ReviewError("the session is still running", "stop it first")


def _refuse_approved(database: sqlite3.Connection, session: str) -> None:
    if _last_action(database, session) == "approve":
        raise ReviewError("the session is approved and locked", "reopen it first; the audit trail will show this")


def _last_action(database: sqlite3.Connection, session: str) -> str | None:
    row = database.execute(
        "SELECT action FROM approval WHERE session = ? ORDER BY id DESC LIMIT 1", (session,)
    ).fetchone()
    return None if row is None else str(row[0])


def _next_time(database: sqlite3.Connection, session: str) -> float:
    """Return the current time, made later than all earlier verdicts, as verdicts of one time are undone together."""
    last = database.execute("SELECT MAX(time) FROM verdict WHERE session = ?", (session,)).fetchone()[0]
    return max(time.time(), (last or 0.0) + 1e-3)


def _add(database: sqlite3.Connection, v: Verdict) -> Verdict:
    cursor = database.execute(
        "INSERT INTO verdict (session, cell, reviewer, proven, label, kind, time, undoes) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (v.session, v.cell, v.reviewer, int(v.proven), v.label, v.kind, v.time, v.reverts_id),
    )
    return Verdict(
        cursor.lastrowid or 0, v.session, v.cell, v.reviewer, v.proven, v.label, v.kind, v.time, v.reverts_id
    )


def _add_approval(
    database: sqlite3.Connection, session: str, reviewer: Reviewer, action: str, note: str | None
) -> None:
    database.execute(
        "INSERT INTO approval (session, reviewer, proven, action, time, note) VALUES (?, ?, ?, ?, ?, ?)",
        (session, reviewer.name, int(reviewer.proven), action, time.time(), note or None),
    )
