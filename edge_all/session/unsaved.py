"""Counts of a session that are missing from the record because writing failed."""

from __future__ import annotations

from dataclasses import dataclass

from edge_all.domain.plural import counted
from edge_all.domain.types import Counts
from edge_all.errors import EdgeAllError
from edge_all.record.sessions.resume import NOT_RECORDED
from edge_all.record.store import Record
from edge_all.session.tally import DROPPED, PAUSED

_WITHOUT_ROWS = (DROPPED, PAUSED, NOT_RECORDED)


@dataclass(frozen=True)
class UnsavedCounts:
    """Part of a session's counts that is not on disk.

    A cell counts as on disk even if its row is older than its last classification.
    """

    frames: int
    cells: int
    """Cells of all labels."""
    findings: int

    def in_words(self) -> str:
        """Describe the counts in one line."""
        return f"{counted(self.frames, 'frame')}, {counted(self.cells, 'cell')}, {counted(self.findings, 'finding')}"


def unsaved_counts(record: Record, session: str, counts: Counts) -> UnsavedCounts | None:
    """Return the counts that are not on disk, or None if all are.

    If the record's folder was moved or deleted, all counts are reported as not on disk.
    """
    try:
        held = Counts() if record.is_set_aside else record.counted(session)
    except EdgeAllError:  # it cannot be read either
        held = Counts()
    frames = counts.frames - sum(counts.skipped.get(reason, 0) for reason in _WITHOUT_ROWS) - held.frames
    cells = counts.objects - held.objects
    missing = UnsavedCounts(max(0, frames), max(0, cells), max(0, counts.findings - held.findings))
    return missing if missing.frames or missing.cells or missing.findings else None
