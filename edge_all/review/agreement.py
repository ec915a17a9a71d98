"""How far two reviewers agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Agreement:
    """Of two reviewers over the cells that both labelled."""

    cells: int
    same: int
    kappa: float | None
    """1: always the same, 0: as by chance. None when no cell was labelled by both, or both always said one label."""


def cohens_kappa(first: Mapping[int, str], second: Mapping[int, str]) -> Agreement:
    """Unweighted (Cohen 1960): (p_o - p_e) / (1 - p_e), with p_e from each reviewer's own shares."""
    both = sorted(first.keys() & second.keys())
    if not both:
        return Agreement(0, 0, None)
    same = sum(first[n] == second[n] for n in both)
    a, b = Counter(first[n] for n in both), Counter(second[n] for n in both)
    by_chance = sum(a[label] * b[label] for label in a) / len(both) ** 2
    kappa = None if by_chance >= 1.0 else (same / len(both) - by_chance) / (1 - by_chance)
    return Agreement(len(both), same, kappa)
