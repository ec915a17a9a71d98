"""How far two reviewers agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from edge_all.record.verdicts import Reviewer, Verdict, by_reviewer


@dataclass(frozen=True)
class Agreement:
    """Of two reviewers over the cells that both labelled, by the last word of each."""

    first: Reviewer
    second: Reviewer
    cells: int
    same: int
    """Of them, those with the same label."""
    kappa: float | None
    """cohens_kappa."""


def agreements(verdicts: Sequence[Verdict]) -> tuple[Agreement, ...]:
    """Of each two reviewers with a cell in common. verdicts: the session's, undone ones included."""
    found = []
    for (first, a), (second, b) in combinations(by_reviewer(verdicts).items(), 2):
        pairs = [(str(a[n].label), str(b[n].label)) for n in sorted(a.keys() & b.keys())]
        if pairs:
            found.append(Agreement(first, second, len(pairs), sum(x == y for x, y in pairs), cohens_kappa(pairs)))
    return tuple(found)


def cohens_kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Agreement of two raters beyond chance (Cohen 1960): 1 always the same, 0 as by chance; unweighted.

    (p_o - p_e) / (1 - p_e), p_e from each rater's own shares. None without pairs, or where both said one label only:
    chance explains all of it.
    """
    if not pairs:
        return None
    total = len(pairs)
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    observed = sum(a == b for a, b in pairs) / total
    by_chance = sum(first[label] * second[label] for label in first) / total**2
    return None if by_chance >= 1 else (observed - by_chance) / (1 - by_chance)
