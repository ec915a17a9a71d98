"""Hook that runs in the same transaction as the rows it is notified of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from edge_all.domain.types import Cell, Counts
from edge_all.record.rows import SessionInfo
from edge_all.record.store import Record


class TransactionListener(Protocol):
    """Listener called from the recording thread before the rows are committed.

    Messages that it queues are committed together with the rows, or not at all.
    """

    def begun(self, record: Record, session: str, info: SessionInfo, known: frozenset[int] | None = None) -> None:
        """Handle the start of a session, whose row exists.

        Args:
            record: The open record.
            session: The session's id.
            info: The session's settings and models.
            known: Numbers of the findings recorded so far, if an interrupted session is resumed.
        """

    def named(self, record: Record, session: str, sample: str) -> None:
        """Handle a new sample name."""

    def found(self, record: Record, session: str, cells: Sequence[Cell], time: float) -> None:
        """Handle new cells and better views of a frame taken at `time` (seconds since the epoch)."""

    def ended(self, record: Record, session: str, counts: Counts, result: str, interrupted: bool) -> None:
        """Handle the end of a session, even if this object was not notified of its start."""
