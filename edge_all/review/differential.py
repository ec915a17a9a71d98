"""Differential of a session: counts by label and kind, and shares with their 95 % intervals.

The pages, the report and the FHIR bundle all use this module, so they cannot differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from edge_all.domain.statistics import ENOUGH_CELLS, wilson_interval
from edge_all.record.events.verdicts import Verdict

LEUKOCYTES = ("blast", "normal", "unidentified")


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
    """Counts by label and kind. Smudges and objects that are not cells are not leukocytes."""

    by_label: Mapping[str, int]
    """Counts of blast, normal, unidentified, smudge and not_a_cell."""
    kinds: Mapping[str, int]
    """Counts of the normal cells to which a reviewer assigned a kind."""

    @property
    def leukocytes(self) -> int:
        """Number of leukocytes."""
        return sum(self.by_label.get(label, 0) for label in LEUKOCYTES)

    @property
    def few(self) -> bool:
        """True if there are too few leukocytes for a differential."""
        return self.leukocytes < ENOUGH_CELLS

    @property
    def smudges(self) -> int:
        """Number of smudges."""
        return self.by_label.get("smudge", 0)

    @property
    def smudges_per_100(self) -> float | None:
        """Smudges per 100 leukocytes; None without leukocytes."""
        return 100 * self.smudges / self.leukocytes if self.leukocytes else None

    @property
    def not_cells(self) -> int:
        """Number of objects that a reviewer marked as not a cell."""
        return self.by_label.get("not_a_cell", 0)

    @property
    def kind_not_named(self) -> int:
        """Number of normal cells without a kind."""
        return self.by_label.get("normal", 0) - sum(self.kinds.values())

    def share(self, label: str) -> Share:
        """Return the share of a label among the leukocytes."""
        return Share(self.by_label.get(label, 0), self.leukocytes)

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
