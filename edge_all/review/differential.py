"""The differential of a session: counts by label and kind, shares with their 95 % intervals.

The pages, the report and the FHIR bundle all take it from here, so that no two of them can differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from edge_all.record.verdicts import Verdict
from edge_all.session.differential import ENOUGH_CELLS, wilson_interval

LEUKOCYTES = ("blast", "normal", "unidentified")


@dataclass(frozen=True)
class Share:
    """count of total, in percent with the 95 % Wilson interval. It covers the sampling of cells, not the error of who
    judged them."""

    count: int
    total: int

    @property
    def percent(self) -> float:
        return 100 * self.count / self.total if self.total else 0.0

    @property
    def low(self) -> float:
        return 100 * wilson_interval(self.count, self.total)[0]

    @property
    def high(self) -> float:
        return 100 * wilson_interval(self.count, self.total)[1]


@dataclass(frozen=True)
class Differential:
    """Of one way of counting. Smudges and what is no cell are not among the leukocytes."""

    by_label: Mapping[str, int]
    """blast, normal, unidentified, smudge, not_a_cell."""
    kinds: Mapping[str, int]
    """Of the normal cells that a reviewer named a kind of."""

    @property
    def leukocytes(self) -> int:
        return sum(self.by_label.get(label, 0) for label in LEUKOCYTES)

    @property
    def few(self) -> bool:
        return self.leukocytes < ENOUGH_CELLS

    @property
    def smudges(self) -> int:
        return self.by_label.get("smudge", 0)

    @property
    def smudges_per_100(self) -> float | None:
        """For 100 leukocytes; None without leukocytes."""
        return 100 * self.smudges / self.leukocytes if self.leukocytes else None

    @property
    def not_cells(self) -> int:
        return self.by_label.get("not_a_cell", 0)

    @property
    def kind_not_named(self) -> int:
        """Normal cells without a kind."""
        return self.by_label.get("normal", 0) - sum(self.kinds.values())

    def share(self, label: str) -> Share:
        """Of the leukocytes."""
        return Share(self.by_label.get(label, 0), self.leukocytes)

    def kind(self, kind: str) -> Share:
        """Of the leukocytes."""
        return Share(self.kinds.get(kind, 0), self.leukocytes)


def differential(labels: Mapping[int, str], verdicts: Mapping[int, Verdict] | None = None) -> Differential:
    """The model's, or with verdicts the reviewed one: a cell without a verdict keeps the model's label.

    labels: the model's, by the cell's number. verdicts: the one that counts, by the cell's number.
    """
    by_label: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for number, label in labels.items():
        verdict = (verdicts or {}).get(number)
        by_label[(verdict.label or label) if verdict else label] += 1
        if verdict is not None and verdict.kind is not None:
            kinds[verdict.kind] += 1
    return Differential(by_label, kinds)
