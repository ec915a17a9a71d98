"""Cells that a gallery shows, in reading order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edge_all.domain.labels import LABELS
from edge_all.domain.reading_order import position
from edge_all.record.events.verdicts import Verdict
from edge_all.record.queries import CellLabel


@dataclass(frozen=True)
class Choice:
    """Filter of a gallery. label: a label (of the verdict, if there is one) or all. reviewed: all, yes or no."""

    label: str = "all"
    reviewed: str = "all"

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Choice:
        """Return the choice given in a URL. Unknown values count as "all"."""
        label, reviewed = LABELS.current(query.get("label", "all")), query.get("reviewed", "all")
        return cls(label if label in LABELS else "all", reviewed if reviewed in ("yes", "no") else "all")

    @property
    def query(self) -> str:
        """Query string of a URL with this choice."""
        return f"label={self.label}&reviewed={self.reviewed}"


def said_of(cell: CellLabel, verdicts: Mapping[int, Verdict]) -> str:
    """Return the reviewer's label if there is one, else the model's."""
    verdict = verdicts.get(cell.number)
    return (verdict.label or cell.label) if verdict is not None else cell.label


def chosen(cells: Iterable[CellLabel], verdicts: Mapping[int, Verdict], choice: Choice) -> list[int]:
    """Return the numbers of the cells that a choice shows, in order."""
    left = [
        position(label, "", cell.blast_probability, cell.number)
        for cell in cells
        if (label := said_of(cell, verdicts)) == choice.label or choice.label == "all"
        if choice.reviewed == "all" or (cell.number in verdicts) == (choice.reviewed == "yes")
    ]
    return [number for *_, number in sorted(left)]
