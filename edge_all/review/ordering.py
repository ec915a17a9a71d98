"""The order in which a session's cells are looked at: blasts first, by probability."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edge_all.record.browsing import CellLabel
from edge_all.record.verdicts import LABELS, Verdict

ORDER = {label: i for i, label in enumerate(("blast", "unidentified", "normal", "smudge", "not_a_cell"))}


@dataclass(frozen=True)
class Choice:
    """What a gallery shows. label: one of LABELS, by the verdict where there is one, or all. reviewed: all, yes, no."""

    label: str = "all"
    reviewed: str = "all"

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Choice:
        """From a URL; anything unknown is "all"."""
        label, reviewed = query.get("label", "all"), query.get("reviewed", "all")
        return cls(label if label in LABELS else "all", reviewed if reviewed in ("yes", "no") else "all")

    @property
    def query(self) -> str:
        return f"label={self.label}&reviewed={self.reviewed}"


def said_of(cell: CellLabel, verdicts: Mapping[int, Verdict]) -> str:
    """The reviewer's label where there is one, else the model's."""
    verdict = verdicts.get(cell.number)
    return (verdict.label or cell.label) if verdict is not None else cell.label


def chosen(cells: Iterable[CellLabel], verdicts: Mapping[int, Verdict], choice: Choice) -> list[int]:
    """Numbers of the cells that a choice shows, in order."""
    left = [
        (ORDER[said], -(cell.blast_probability or 0.0), cell.number)
        for cell in cells
        if (said := said_of(cell, verdicts)) == choice.label or choice.label == "all"
        if choice.reviewed == "all" or (cell.number in verdicts) == (choice.reviewed == "yes")
    ]
    return [number for *_, number in sorted(left)]
