"""Keeps a session's counts and findings while frames come in."""

from __future__ import annotations

from collections import Counter

from edge_all.session.analysis import FieldResult
from edge_all.vocabulary import Cell, Counts, Label, Unreadable


class Tally:
    """Each cell counts once, with its latest label."""

    def __init__(self) -> None:
        self._frames = 0
        self._fields = 0
        self._skipped: Counter[str] = Counter()
        self._warned: Counter[str] = Counter()
        self._labels: dict[int, Label] = {}
        self._by_label: Counter[Label] = Counter()
        self._findings: dict[int, Cell] = {}

    def add(self, result: FieldResult | Unreadable) -> None:
        """One frame."""
        self._frames += 1
        if isinstance(result, Unreadable):
            self._skipped["unreadable"] += 1
            return
        if result.skip is not None:
            self._skipped[result.skip.reason] += 1
            return
        self._fields += 1
        if result.field is not None:
            self._warned.update(result.field.quality.reasons)
        for cell in result.cells:
            before = self._labels.get(cell.number)
            if before is not None:
                self._by_label[before] -= 1
            self._labels[cell.number] = cell.label
            self._by_label[cell.label] += 1
            self._findings.pop(cell.number, None)
            if cell.is_finding:
                self._findings[cell.number] = cell

    def add_dropped(self, count: int) -> None:
        """Frames that a live camera had to drop."""
        if count:
            self._frames += count
            self._skipped["dropped"] += count

    def counts(self) -> Counts:
        """As of now."""
        return Counts(
            fields=self._fields,
            frames=self._frames,
            skipped=dict(sorted(self._skipped.items())),
            warned=dict(sorted(self._warned.items())),
            blasts=self._by_label[Label.BLAST],
            normals=self._by_label[Label.NORMAL],
            unidentified=self._by_label[Label.UNIDENTIFIED],
            smudges=self._by_label[Label.SMUDGE],
        )

    def most_suspicious(self, count: int = 5) -> tuple[Cell, ...]:
        """Blasts first, then by probability, then by number."""

        def key(cell: Cell) -> tuple[bool, float, int]:
            probability = cell.judgement.blast_probability if cell.judgement else 0.0
            return (cell.label is not Label.BLAST, -probability, cell.number)

        return tuple(sorted(self._findings.values(), key=key)[:count])
