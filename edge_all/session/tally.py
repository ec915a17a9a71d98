"""Running counts and findings of a session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from edge_all.domain.labels import KINDS, LABELS, Label
from edge_all.domain.picture_limits import NOT_LABELED, OutsideLimits
from edge_all.domain.reading_order import MOST_SUSPICIOUS, position_of_cell, worth_a_look
from edge_all.domain.types import Cell, Counts, Unreadable
from edge_all.session.field_result import FieldResult

DROPPED, PAUSED = "dropped", "paused"
"""Skip reasons of frames that are only counted and have no rows."""
_MAX_SUSPICIOUS = 100
"""Cells held in memory; the record has all of them. A sharper view may make some less suspicious, hardly all."""


class Tally:
    """Running counts in which each cell counts once, with its latest label."""

    def __init__(self) -> None:
        self._frames = 0
        self._fields = 0
        self._skipped: Counter[str] = Counter()
        self._warned: Counter[str] = Counter()
        self._coded = tuple(
            (row.label, kind) for row in LABELS.by_model for kind in ("", *(k.key for k in KINDS.of(row.key)))
        )
        self._codes = {labeled: code for code, labeled in enumerate(self._coded, 1)}
        self._labels = bytearray(1)
        """Code of each cell's latest label and kind, indexed by cell number; one byte per cell, for sessions of a whole
        day."""
        self._by_label: Counter[str] = Counter()
        self._by_kind: Counter[str] = Counter()
        self._outside: dict[str, OutsideLimits] = {}
        """Entry for each limit that was exceeded, by reason; its cells are counted separately."""
        self._reasons = bytearray(1)
        """Code of the reason of each cell without a label, indexed by cell number; shorter while there is none."""
        self._by_reason: Counter[str] = Counter()
        self._suspicious: dict[int, Cell] = {}

    @classmethod
    def restored(
        cls,
        counts: Counts,
        labels: Mapping[int, Label],
        suspicious: Iterable[Cell],
        kinds: Mapping[int, str],
        reasons: Mapping[int, str] | None = None,
    ) -> Tally:
        """Restore the tally of a resumed session.

        Args:
            counts: The session's counts so far.
            labels: Each cell's latest label by cell number.
            suspicious: The session's most suspicious cells so far.
            kinds: Latest kind of each cell that has one by cell number.
            reasons: Reason of each cell without a label, by cell number.
        """
        tally = cls()
        tally._frames, tally._fields = counts.frames, counts.fields
        tally._skipped.update(counts.skipped)
        tally._warned.update(counts.warned)
        tally._labels = bytearray(max(labels, default=0) + 1)
        for number, label in labels.items():
            tally._labels[number] = tally._codes[label, kinds.get(number, "")]
        tally._by_label.update(labels.values())
        tally._by_kind.update(kinds.values())
        tally._outside = {one.reason: one for one in counts.outside_limits}
        for number, reason in (reasons or {}).items():
            tally._give_reason(number, reason)
        tally._suspicious = {cell.number: cell for cell in suspicious}
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
        for outside in result.outside_limits:
            before = self._outside.get(outside.reason, outside)
            self._outside[outside.reason] = before.joined(outside)
        for cell in result.cells:
            self._relabel(cell.number, cell.label, cell.kind, cell.reason)
            self._suspicious[cell.number] = cell
        for one in result.reclassified:
            self._relabel(one.number, one.classification.label, one.classification.kind, one.classification.reason)
            if (known := self._suspicious.get(one.number)) is not None:
                self._suspicious[one.number] = replace(known, classification=one.classification, views=one.views)
        if len(self._suspicious) > 2 * _MAX_SUSPICIOUS:
            self._suspicious = {c.number: c for c in self.most_suspicious(_MAX_SUSPICIOUS)}

    def _relabel(self, number: int, label: Label, kind: str, reason: str) -> None:
        self._give_reason(number, reason)
        if number >= len(self._labels):
            self._labels.extend(bytes(number + 1 - len(self._labels)))
        if before := self._labels[number]:
            was, was_kind = self._coded[before - 1]
            self._by_label[was] -= 1
            self._by_kind[was_kind] -= 1
        code = self._codes.get((label, kind)) or self._codes[label, ""]
        self._labels[number] = code
        self._by_label[label] += 1
        self._by_kind[self._coded[code - 1][1]] += 1

    def _give_reason(self, number: int, reason: str) -> None:
        if number >= len(self._reasons):
            if not reason:
                return
            self._reasons.extend(bytes(number + 1 - len(self._reasons)))
        if before := self._reasons[number]:
            self._by_reason[NOT_LABELED[before - 1]] -= 1
        self._reasons[number] = NOT_LABELED.index(reason) + 1 if reason else 0
        if reason:
            self._by_reason[reason] += 1

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
            by_kind={kind: count for kind, count in self._by_kind.items() if kind},
            outside_limits=self._outside_limits(),
        )

    def _outside_limits(self) -> tuple[OutsideLimits, ...]:
        if not self._outside:
            return ()
        return tuple(replace(one, cells=self._by_reason[one.reason]) for _, one in sorted(self._outside.items()))

    def most_suspicious(self, count: int = MOST_SUSPICIOUS) -> tuple[Cell, ...]:
        """Return up to `count` cells in reading order: the findings first, then other leukocytes."""
        labeled = (cell for cell in self._suspicious.values() if not cell.reason)
        return tuple(worth_a_look(labeled, position_of_cell, count)[:count])
