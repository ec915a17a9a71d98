"""Who wants to be told, with the rows it is told of: committed together, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from edge_all.record.record import Record
from edge_all.record.rows import SessionInfo
from edge_all.vocabulary import Cell, Counts


class Announcer(Protocol):
    """Called from the record's thread, before the rows are committed; queues what it has to say with them."""

    def begun(self, record: Record, session: str, info: SessionInfo, known: frozenset[int] | None = None) -> None:
        """A session began; its row is there. known: of one that was cut off and goes on, its findings' numbers."""

    def named(self, record: Record, session: str, sample: str) -> None:
        """Its sample got a name."""

    def found(self, record: Record, session: str, cells: Sequence[Cell], time: float) -> None:
        """New cells and better views, of a frame taken at that time."""

    def ended(self, record: Record, session: str, counts: Counts, result: str, interrupted: bool) -> None:
        """It ends; the session need not be one that this object was told of the begin of."""
