"""Running counts and findings of a session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from edge_all.domain.labels import LABELS, Label
from edge_all.domain.types import Cell, Counts, Unreadable
from edge_all.session.field_result import FieldResult

DROPPED, PAUSED = "dropped", "paused"
"""Skip reasons of frames that are only counted and have no rows."""
_MAX_FINDINGS = 100
"""Findings held in memory; the record has all of them. A sharper view may turn some into normal cells, hardly all."""


class Tally:
    """Running counts in which each cell counts once, with its latest label."""

    def __init__(self) -> None:
        self._frames = 0
        self._fields = 0
        self._skipped: Counter[str] = Counter()
        self._warned: Counter[str] = Counter()
        self._coded = tuple(row.label for row in LABELS.by_model)
        self._codes = {label: code for code, label in enumerate(self._coded, 1)}
        self._labels = bytearray(1)
        """Code of each cell's latest label, indexed by cell number; one byte per cell, for sessions of a whole day."""
        self._by_label: Counter[str] = Counter()
        self._findings: dict[int, Cell] = {}

    @classmethod
    def restored(cls, counts: Counts, labels: Mapping[int, Label], findings: Iterable[Cell]) -> Tally:
        """Restore the tally of a resumed session.

        Args:
            counts: The session's counts so far.
            labels: Each cell's latest label by cell number.
            findings: The session's findings so far.
        """
        tally = cls()
        tally._frames, tally._fields = counts.frames, counts.fields
        tally._skipped.update(counts.skipped)
        tally._warned.update(counts.warned)
        tally._labels = bytearray(max(labels, default=0) + 1)
        for number, label in labels.items():
            tally._labels[number] = tally._codes[label]
        tally._by_label.update(labels.values())
        tally._findings = {cell.number: cell for cell in findings}
        return tally

    def add(self, result: FieldResult | Unreadable) -> None:
        """Count the result of one frame."""
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
            self._relabel(cell.number, cell.label)
            self._findings.pop(cell.number, None)
            if cell.is_finding:
                self._findings[cell.number] = cell
        for one in result.reclassified:
            self._relabel(one.number, one.classification.label)
            known = self._findings.pop(one.number, None)
            if known is not None and replace(known, classification=one.classification).is_finding:
                self._findings[one.number] = replace(known, classification=one.classification, views=one.views)
        if len(self._findings) > 2 * _MAX_FINDINGS:
            self._findings = {c.number: c for c in self.most_suspicious(_MAX_FINDINGS)}

    def _relabel(self, number: int, label: Label) -> None:
        if number >= len(self._labels):
            self._labels.extend(bytes(number + 1 - len(self._labels)))
        if before := self._labels[number]:
            self._by_label[self._coded[before - 1]] -= 1
        self._labels[number] = self._codes[label]
        self._by_label[label] += 1

    def add_dropped(self, count: int) -> None:
        """Count frames that a live camera had to drop."""
        if count:
            self._frames += count
            self._skipped[DROPPED] += count

    def counts(self) -> Counts:
        """Return the current counts."""
        return Counts(
            fields=self._fields,
            frames=self._frames,
            skipped=dict(sorted(self._skipped.items())),
            warned=dict(sorted(self._warned.items())),
            by_label=self._by_label,
        )

    def most_suspicious(self, count: int = 5) -> tuple[Cell, ...]:
        """Return up to `count` findings, by rank of the label, then by falling blast probability, then by number."""

        def key(cell: Cell) -> tuple[int, float, int]:
            probability = cell.classification.blast_probability if cell.classification else 0.0
            return (cell.label.info.rank, -probability, cell.number)

        return tuple(sorted(self._findings.values(), key=key)[:count])
