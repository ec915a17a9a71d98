"""Order in which a reviewer should see cells; galleries, contact sheets, reports and lists all use it.

Blasts come first, then unidentified cells, other leukocytes, cells that are counted apart, and artifacts, which is the
rank of their labels in the table. Within a label, a higher blast probability comes first, so a smear without findings
also starts with its most suspicious cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from edge_all.domain.labels import KINDS, LABELS
from edge_all.domain.types import Cell

MOST_SUSPICIOUS = 5
"""Number of cells that are shown of every smear, with or without findings."""

Position = tuple[int, float, bool, float, int]
_Cell = TypeVar("_Cell")


def position(label: str, kind: str, blast_probability: float | None, number: int) -> Position:
    """Return the sort key of a cell.

    Probabilities that agree to two decimals, as cells are captioned, are a tie that the kind decides.

    Args:
        label: Key of its label; the reviewer's if there is one.
        kind: Key of its kind; may be empty.
        blast_probability: Probability given by the model, if any.
        number: Number of the cell, which makes the order complete.
    """
    probability = blast_probability or 0.0
    later = not (kind in KINDS and KINDS[kind].comes_first)
    return LABELS[label].rank, -round(probability, 2), later, -probability, number


def position_of_cell(cell: Cell) -> Position:
    """Return the sort key of a cell with the label and kind that the model gave."""
    probability = None if cell.classification is None else cell.classification.blast_probability
    return position(cell.label, cell.kind, probability, cell.number)


def worth_a_look(
    cells: Iterable[_Cell], position_of: Callable[[_Cell], Position], least: int = MOST_SUSPICIOUS
) -> list[_Cell]:
    """Return the findings in reading order, filled up to ``least`` cells with the most suspicious other leukocytes."""
    findings = {row.rank for row in LABELS.findings}
    leukocytes = {row.rank for row in LABELS.leukocytes}
    ordered = sorted(((position_of(cell), cell) for cell in cells), key=lambda one: one[0])
    found = [cell for p, cell in ordered if p[0] in findings]
    others = [cell for p, cell in ordered if p[0] in leukocytes - findings]
    return found + others[: max(0, least - len(found))]
