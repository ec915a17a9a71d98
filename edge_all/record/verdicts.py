"""What people said of cells, and who approved a session: rows that are only ever added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_all.record.record import Record

LABELS = ("blast", "normal", "unidentified", "smudge", "not_a_cell")
KINDS = ("neutrophil", "lymphocyte", "monocyte", "eosinophil", "basophil", "other")


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
