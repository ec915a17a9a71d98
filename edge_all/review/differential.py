"""Differential of a session: counts by label and kind, and shares with their 95 % intervals.

The pages, the report and the FHIR bundle all use this module, so they cannot differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from edge_all.domain.labels import KINDS, LABELS, Label
from edge_all.domain.statistics import ENOUGH_CELLS, wilson_interval
from edge_all.record.events.verdicts import Verdict


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
class Differential:
    """Counts by label and kind. The table of labels defines which labels are leukocytes."""

    by_label: Mapping[str, int]
    """Counts by label, those that only a reviewer gives included."""
    kinds: Mapping[str, int]
    """Counts of the cells to which a reviewer assigned a kind."""

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


def differential(labels: Mapping[int, str], verdicts: Mapping[int, Verdict] | None = None) -> Differential:
    """Return the model's differential, or with verdicts the reviewed one.

    Cells without a verdict keep the model's label.

    labels: The model's label by cell number. verdicts: The verdict that counts, by cell number.
    """
    by_label: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for number, label in labels.items():
        verdict = (verdicts or {}).get(number)
        by_label[(verdict.label or label) if verdict else label] += 1
        if verdict is not None and verdict.kind is not None:
            kinds[verdict.kind] += 1
    return Differential(by_label, kinds)
