"""Cells that a gallery shows, in reading order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edge_all.domain.labels import KINDS, LABELS
from edge_all.domain.reading_order import position
from edge_all.record.events.verdicts import Verdict
from edge_all.record.queries import CellLabel
from edge_all.review.differential import IN_DOUBT, reviewed_as


@dataclass(frozen=True)
class Choice:
    """Filter of a gallery. A verdict counts before the model's label and kind."""

    label: str = "all"
    """Key of a label, or all."""
    reviewed: str = "all"
    """all, yes or no."""
    kind: str = ""
    """Key of a kind of the label, IN_DOUBT for its cells without a kind, or empty for all."""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Choice:
        """Return the choice given in a URL. Unknown values count as "all"."""
        label, reviewed = LABELS.current(query.get("label", "all")), query.get("reviewed", "all")
        kind = query.get("kind", "")
        if kind not in {row.key for row in KINDS.of(label)} and not (kind == IN_DOUBT and label in KINDS.labels):
            kind = ""
        return cls(label if label in LABELS else "all", reviewed if reviewed in ("yes", "no") else "all", kind)

    @property
    def query(self) -> str:
        """Query string of a URL with this choice."""
        return f"label={self.label}&reviewed={self.reviewed}" + (f"&kind={self.kind}" if self.kind else "")

    def has(self, label: str, kind: str | None) -> bool:
        """Return True for a cell with this label and kind, reviewed or not."""
        return self.label in ("all", label) and self.kind in ("", kind or IN_DOUBT)


def chosen(cells: Iterable[CellLabel], verdicts: Mapping[int, Verdict], choice: Choice) -> list[int]:
    """Return the numbers of the cells that a choice shows, in order."""
    left = []
    for cell in cells:
        label, kind = reviewed_as(cell.label, cell.kind, verdicts.get(cell.number))
        if choice.has(label, kind) and choice.reviewed in ("all", "yes" if cell.number in verdicts else "no"):
            left.append(position(label, kind or "", cell.blast_probability, cell.number))
    return [number for *_, number in sorted(left)]
