"""Counts as rows of a table: numbers, shares and their 95 % intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edge_all.record.browsing import CellLabel
from edge_all.record.verdicts import Verdict
from edge_all.session.differential import ENOUGH_CELLS, wilson_interval

LEUKOCYTES = ("blast", "unidentified", "normal")


@dataclass(frozen=True)
class Share:
    """count of total, with the 95 % score interval in percent. It covers the sampling of cells only."""

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
    """What was counted, by label and, where reviewers said so, by kind of the normal ones."""

    by_label: Mapping[str, int]
    kinds: Mapping[str, int]

    @property
    def leukocytes(self) -> int:
        return sum(self.by_label.get(label, 0) for label in LEUKOCYTES)

    @property
    def few(self) -> bool:
        return self.leukocytes < ENOUGH_CELLS

    def share(self, label: str) -> Share:
        """Of the leukocytes."""
        return Share(self.by_label.get(label, 0), self.leukocytes)

    def kind(self, kind: str) -> Share:
        """Of the leukocytes."""
        return Share(self.kinds.get(kind, 0), self.leukocytes)

    @property
    def smudges_per_100(self) -> float | None:
        """None without a leukocyte."""
        return 100 * self.by_label.get("smudge", 0) / self.leukocytes if self.leukocytes else None


def differential(cells: Iterable[CellLabel], verdicts: Mapping[int, Verdict] | None = None) -> Differential:
    """The model's, or with verdicts the reviewed one: a cell without a verdict keeps the model's label."""
    verdicts = verdicts or {}
    by_label: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for cell in cells:
        verdict = verdicts.get(cell.number)
        by_label[(verdict.label or cell.label) if verdict else cell.label] += 1
        if verdict is not None and verdict.kind is not None:
            kinds[verdict.kind] += 1
    return Differential(by_label, kinds)
