"""What people said of cells, and who approved a session: rows that are only ever added."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_all.errors import NotRecordedError, ReviewError
from edge_all.record.record import Record
from edge_all.record.sidecar import note_rows

LABELS = ("blast", "normal", "unidentified", "smudge", "not_a_cell")
KINDS = ("neutrophil", "lymphocyte", "monocyte", "eosinophil", "basophil", "other")
MOST_AT_ONCE = 500
_STILL_RUNNING_S = 60.0
"""A session without an end whose last frame is younger is still running; an older one was cut off."""


@dataclass(frozen=True)
class Reviewer:
    """Who says something. proven: logged in; else only a name was given."""

    name: str
    proven: bool


@dataclass(frozen=True)
class Verdict:
    """One row of the audit trail. ``undoes``: the row that this one takes back; it has no label then."""

    id: int
    session: str
    cell: int
    reviewer: str
    proven: bool
    """Logged in; else only a name was given."""
    label: str | None
    kind: str | None
    """Of a normal cell."""
    time: float
    undoes: int | None = None


@dataclass(frozen=True)
class Approval:
    """A session was approved (signed) or opened again."""

    id: int
    session: str
    reviewer: str
    proven: bool
    action: str
    """approve or reopen."""
    time: float
    note: str | None = None


def all_verdicts(record: Record, session: str) -> list[Verdict]:
    """Every row, the oldest first, undone ones and undoings included."""
    rows = record.rows(
        "SELECT id, session, cell, reviewer, proven, label, kind, time, undoes FROM verdict WHERE session = ? "
        "ORDER BY id",
        (session,),
    )
    return [Verdict(r[0], r[1], r[2], r[3], bool(r[4]), *r[5:]) for r in rows]


def standing(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Those with a label that nobody took back, the oldest first. An undoing can be undone itself."""
    undone: set[int] = set()
    left = []
    for verdict in sorted(verdicts, key=lambda v: v.id, reverse=True):
        if verdict.id in undone:
            continue
        if verdict.undoes is not None:
            undone.add(verdict.undoes)
        elif verdict.label is not None:
            left.append(verdict)
    return left[::-1]


def latest_verdicts(record: Record, session: str) -> dict[int, Verdict]:
    """The verdict that counts for each cell: the last one given, whoever gave it."""
    return {v.cell: v for v in standing(all_verdicts(record, session))}


def by_reviewer(verdicts: Sequence[Verdict]) -> Mapping[Reviewer, Mapping[int, Verdict]]:
    """Each reviewer's own last verdict on each cell. A proven and an unproven one of a name are two."""
    given: dict[Reviewer, dict[int, Verdict]] = {}
    for verdict in standing(verdicts):
        given.setdefault(Reviewer(verdict.reviewer, verdict.proven), {})[verdict.cell] = verdict
    return given


def give_verdicts(
    record: Record, session: str, cells: Sequence[int], label: str, kind: str | None, reviewer: Reviewer
) -> list[Verdict]:
    """One verdict on each of the cells (1 to 500, at one time); on disk when it returns.

    Raises ReviewError (approved, no such label or kind, too many), NotRecordedError (not a cell of this session).
    """
    if label not in LABELS or (kind is not None and (kind not in KINDS or label != "normal")):
        raise ReviewError("that is no verdict", f"labels are {', '.join(LABELS)}; a normal cell may have a kind")
    numbers = list(dict.fromkeys(cells))
    if not 1 <= len(numbers) <= MOST_AT_ONCE:
        raise ReviewError(f"{len(numbers)} cells at once", f"choose 1 to {MOST_AT_ONCE}")
    with record.transaction() as database:
        _refuse_approved(database, session)
        marks = ", ".join("?" * len(numbers))
        known = database.execute(
            f"SELECT COUNT(*) FROM cell WHERE session = ? AND number IN ({marks})", (session, *numbers)
        ).fetchone()[0]
        if known != len(numbers):
            raise NotRecordedError("one of these is no cell of this session", "load the page again")
        now = _next_time(database, session)
        given = [
            _add(database, Verdict(0, session, cell, reviewer.name, reviewer.proven, label, kind, now))
            for cell in numbers
        ]
    note_rows(record, session, "verdict", given[0].id - 1)
    return given


def undo_last(record: Record, session: str, reviewer: Reviewer) -> list[Verdict]:
    """Take back what this reviewer said last in this session, all cells of it; gives the verdicts taken back.

    Raises ReviewError when the session is approved or nothing of this reviewer's stands.
    """
    with record.transaction() as database:
        _refuse_approved(database, session)
        own = [v for v in standing(all_verdicts(record, session)) if Reviewer(v.reviewer, v.proven) == reviewer]
        if not own:
            raise ReviewError("there is nothing to undo", "only your own verdicts in this session can be taken back")
        last = [v for v in own if v.time == own[-1].time]
        now = _next_time(database, session)
        taken_back = [
            _add(
                database,
                Verdict(0, session, verdict.cell, reviewer.name, reviewer.proven, None, None, now, verdict.id),
            )
            for verdict in last
        ]
    note_rows(record, session, "verdict", taken_back[0].id - 1)
    return last


def approvals(record: Record, session: str) -> list[Approval]:
    """Every approval and re-opening, the oldest first."""
    rows = record.rows(
        "SELECT id, session, reviewer, proven, action, time, note FROM approval WHERE session = ? ORDER BY id",
        (session,),
    )
    return [Approval(r[0], r[1], r[2], bool(r[3]), *r[4:]) for r in rows]


def standing_approval(record: Record, session: str) -> Approval | None:
    """The approval in force; None when there is none or it was re-opened since."""
    given = approvals(record, session)
    return given[-1] if given and given[-1].action == "approve" else None


def approved_sessions(record: Record) -> set[str]:
    """Ids of the sessions whose approval stands."""
    rows = record.rows("SELECT session, action FROM approval ORDER BY id", ())
    return {str(session) for session, action in dict(rows).items() if action == "approve"}


def approve(record: Record, session: str, reviewer: Reviewer, note: str | None = None) -> None:
    """Lock a session: no verdict is added until it is re-opened. Raises ReviewError (approved already, running)."""
    with record.transaction() as database:
        _refuse_approved(database, session)
        refuse_running(database, session)
        _add_approval(database, session, reviewer, "approve", note)
    note_rows(record, session, "approval")


def reopen(record: Record, session: str, reviewer: Reviewer, note: str | None = None) -> None:
    """Unlock an approved session; both rows stay. Raises ReviewError when it is not approved."""
    with record.transaction() as database:
        if _last_action(database, session) != "approve":
            raise ReviewError("the session is not approved", "there is nothing to open again")
        _add_approval(database, session, reviewer, "reopen", note)
    note_rows(record, session, "approval")


def refuse_running(database: sqlite3.Connection, session: str) -> None:
    """Raises ReviewError while a session runs: it has no end and its last frame is young."""
    begun, ended, last = database.execute(
        "SELECT begun, ended, (SELECT MAX(time) FROM frame WHERE session = id) FROM session WHERE id = ?", (session,)
    ).fetchone()
    if ended is None and time.time() - max(begun, last or 0.0) < _STILL_RUNNING_S:
        raise ReviewError("the session still runs", "stop it first")


def _refuse_approved(database: sqlite3.Connection, session: str) -> None:
    if _last_action(database, session) == "approve":
        raise ReviewError("the session is approved and locked", "open it again first; that leaves a trace")


def _last_action(database: sqlite3.Connection, session: str) -> str | None:
    row = database.execute(
        "SELECT action FROM approval WHERE session = ? ORDER BY id DESC LIMIT 1", (session,)
    ).fetchone()
    return None if row is None else str(row[0])


def _next_time(database: sqlite3.Connection, session: str) -> float:
    """Now, but later than all before: what was said at one time is undone together."""
    last = database.execute("SELECT MAX(time) FROM verdict WHERE session = ?", (session,)).fetchone()[0]
    return max(time.time(), (last or 0.0) + 1e-3)


def _add(database: sqlite3.Connection, v: Verdict) -> Verdict:
    cursor = database.execute(
        "INSERT INTO verdict (session, cell, reviewer, proven, label, kind, time, undoes) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (v.session, v.cell, v.reviewer, int(v.proven), v.label, v.kind, v.time, v.undoes),
    )
    return Verdict(cursor.lastrowid or 0, v.session, v.cell, v.reviewer, v.proven, v.label, v.kind, v.time, v.undoes)


def _add_approval(
    database: sqlite3.Connection, session: str, reviewer: Reviewer, action: str, note: str | None
) -> None:
    database.execute(
        "INSERT INTO approval (session, reviewer, proven, action, time, note) VALUES (?, ?, ?, ?, ?, ?)",
        (session, reviewer.name, int(reviewer.proven), action, time.time(), note or None),
    )
