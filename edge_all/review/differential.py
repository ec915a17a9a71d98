"""Differential of a session: counts by label and kind, and shares with their 95 % intervals.

The terminal, the pages, the report, the FHIR bundle and the messages all use this module, so they cannot differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from edge_all.domain.labels import KINDS, LABELS, Label, LabelInfo
from edge_all.domain.statistics import ENOUGH_CELLS, wilson_interval
from edge_all.domain.types import Counts
from edge_all.record.events.verdicts import Verdict

IN_DOUBT = "kind_in_doubt"
"""Key of the line with the cells whose label has kinds, but which are of no certain kind."""


@dataclass(frozen=True)
class Share:
    """Share of a count in a total, in percent, with the 95 % Wilson interval.

    The interval covers the sampling of cells, not errors of their classification.
    """

    count: int
    total: int

    @property
    def percent(self) -> float:
        """Share in percent; 0 without cells."""
        return 100 * self.count / self.total if self.total else 0.0

    @property
    def low(self) -> float:
        """Lower end of the interval, in percent."""
        return 100 * wilson_interval(self.count, self.total)[0]

    @property
    def high(self) -> float:
        """Upper end of the interval, in percent."""
        return 100 * wilson_interval(self.count, self.total)[1]


@dataclass(frozen=True)
class Line:
    """One line of a differential: the share of a kind, of a label, or of the cells whose kind is in doubt."""

    key: str
    """Key of the kind or label, or IN_DOUBT."""
    label: str
    """Key of the label of these cells."""
    share: Share
    """Share among the leukocytes."""
    words: str
    """Name of its text in the catalog."""
    is_part: bool = False
    """True if these cells are part of the last line before it that is not a part itself."""


@dataclass(frozen=True)
class Differential:
    """Counts by label and kind. The table of labels defines which labels are leukocytes."""

    by_label: Mapping[str, int]
    """Counts by label, those that only a reviewer gives included."""
    kinds: Mapping[str, int]
    """Counts of the cells with a kind, given by the model or by a reviewer."""
    by_kind: bool = False
    """True if the model gave kinds, so that a kind with no cells is a result and has a line."""

    @classmethod
    def of_counts(cls, counts: Counts) -> Differential:
        """Return the model's differential from the counts of a session."""
        kinds = {kind: count for kind, count in counts.by_kind.items() if count}
        return cls(counts.by_label, kinds, bool(kinds))

    @property
    def leukocytes(self) -> int:
        """Number of leukocytes."""
        return sum(self.by_label.get(row.key, 0) for row in LABELS.leukocytes)

    @property
    def few(self) -> bool:
        """True if there are too few leukocytes for a differential."""
        return self.leukocytes < ENOUGH_CELLS

    def count(self, label: str) -> int:
        """Return the number of cells with a label."""
        return self.by_label.get(label, 0)

    def per_100(self, label: str) -> float | None:
        """Return the number of cells with a label per 100 leukocytes; None without leukocytes."""
        return 100 * self.count(label) / self.leukocytes if self.leukocytes else None

    @property
    def blasts(self) -> Share:
        """Share of the blasts among the leukocytes: the blast percentage."""
        return self.share(Label.BLAST)

    def kind_not_named(self, label: str) -> int:
        """Return the number of cells without a kind, of a label that has kinds."""
        return self.count(label) - sum(self.kinds.get(kind.key, 0) for kind in KINDS.of(label))

    def share(self, label: str) -> Share:
        """Return the share of a label among the leukocytes."""
        return Share(self.count(label), self.leukocytes)

    def kind(self, kind: str) -> Share:
        """Return the share of a kind among the leukocytes."""
        return Share(self.kinds.get(kind, 0), self.leukocytes)

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines of the leukocytes, in the order in which they are reported.

        The counts of all lines but the parts add up to the leukocytes.
        If the model gave kinds: each kind, the cells whose kind is in doubt if there are any, and the labels without
        kinds. Otherwise: each label, and as its parts the kinds that reviewers gave.
        """
        if not self.by_kind:
            return tuple(self._lines_by_label())
        kinds = [
            Line(kind.key, kind.label, self.kind(kind.key), words=f"kinds.{kind.key}")
            for kind in KINDS
            if kind.names_a_kind or self.kinds.get(kind.key)
        ]
        in_doubt = [
            Line(IN_DOUBT, label, Share(count, self.leukocytes), words=f"kinds.{IN_DOUBT}")
            for label in KINDS.labels
            if (count := self.kind_not_named(label))
        ]
        labels = [
            Line(row.key, row.key, self.share(row.key), words=f"labels.{row.key}")
            for row in LABELS.leukocytes
            if row.key not in KINDS.labels
        ]
        return (*kinds, *in_doubt, *labels)

    @property
    def counted_apart(self) -> tuple[LabelInfo, ...]:
        """The labels counted apart that are reported.

        A label that older models do not give has no line in their differentials, unless a reviewer gave it.
        """
        return tuple(
            row for row in LABELS.counted_apart if self.by_kind or row.always_counted or self.by_label.get(row.key)
        )

    def _lines_by_label(self) -> Iterator[Line]:
        for row in LABELS.leukocytes:
            yield Line(row.key, row.key, self.share(row.key), words=f"label.{row.key}")
            given = [kind for kind in KINDS.of(row.key) if self.kinds.get(kind.key)]
            for kind in given:
                yield Line(kind.key, row.key, self.kind(kind.key), words=f"kind.{kind.key}", is_part=True)
            if given and (count := self.kind_not_named(row.key)):
                share = Share(count, self.leukocytes)
                yield Line(IN_DOUBT, row.key, share, words=f"kind.{IN_DOUBT}", is_part=True)


def differential(
    labels: Mapping[int, str],
    verdicts: Mapping[int, Verdict] | None = None,
    kinds: Mapping[int, str] | None = None,
) -> Differential:
    """Return the model's differential, or with verdicts the reviewed one.

    Cells without a verdict keep the model's label and kind. A verdict that confirms a label without naming a kind does
    not contradict the model's kind either.

    Args:
        labels: The model's label by cell number.
        verdicts: The verdict that counts, by cell number.
        kinds: The model's kind by cell number, as in Classification.kind; None for a model that gives none.
    """
    by_label: Counter[str] = Counter()
    by_kind: Counter[str] = Counter()
    model_gave = False
    for number, label in labels.items():
        model_kind = (kinds or {}).get(number, "")
        model_gave = model_gave or kind_of(label, model_kind) is not None
        label, kind = reviewed_as(label, model_kind, (verdicts or {}).get(number))
        by_label[label] += 1
        if kind is not None:
            by_kind[kind] += 1
    return Differential(by_label, by_kind, model_gave)


def reviewed_as(label: str, kind: str, verdict: Verdict | None) -> tuple[str, str | None]:
    """Return label and kind of a cell, given those by the model and the verdict that counts, if there is one."""
    model_kind = kind_of(label, kind)
    if verdict is None:
        return label, model_kind
    reviewed = verdict.label or label
    return reviewed, verdict.kind or (model_kind if reviewed == label else None)


def side_by_side(first: Differential, second: Differential) -> tuple[tuple[Line, Line], ...]:
    """Return the lines of two differentials of one smear, with a line of 0 cells where only one of them has it."""
    rows = {(line.label, line.key): line for line in first.lines}
    others = {(line.label, line.key): line for line in second.lines}
    order = list(others)
    for before, key in zip((None, *rows), rows, strict=False):
        if key not in others:  # after the line that precedes it in the first one
            order.insert(0 if before is None else order.index(before) + 1, key)
    return tuple(
        (
            rows[key] if key in rows else replace(others[key], share=Share(0, first.leukocytes)),
            others[key] if key in others else replace(rows[key], share=Share(0, second.leukocytes)),
        )
        for key in order
    )


def kind_of(label: str, kind: str) -> str | None:
    """Return the kind of a cell if its label has such a kind; None in doubt and for other labels."""
    return kind if kind in KINDS and KINDS[kind].label == label else None
