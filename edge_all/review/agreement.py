"""Agreement between two reviewers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from edge_all.record.events.verdicts import Reviewer, Verdict, by_reviewer


@dataclass(frozen=True)
class KindsAgreement:
    """Agreement of two reviewers on the kinds of the cells with a label that has kinds, if both named one."""

    cells: int
    same: int
    """Number of these cells with the same kind."""
    kappa: float | None
    """Result of cohens_kappa."""


@dataclass(frozen=True)
class Agreement:
    """Agreement of two reviewers on the cells that both labeled, by the last verdict of each."""

    first: Reviewer
    second: Reviewer
    cells: int
    same: int
    """Number of these cells with the same label."""
    kappa: float | None
    """Result of cohens_kappa."""
    kinds: KindsAgreement | None = None
    """Agreement on the kinds; None if there is no cell of which both named the kind."""


def agreements(verdicts: Sequence[Verdict]) -> tuple[Agreement, ...]:
    """Return the agreement of each pair of reviewers with cells in common.

    verdicts: All verdicts of the session, including undone ones.
    """
    found = []
    for (first, a), (second, b) in combinations(by_reviewer(verdicts).items(), 2):
        pairs = [(str(a[n].label), str(b[n].label)) for n in sorted(a.keys() & b.keys())]
        if pairs:
            kinds = [(x, y) for n in sorted(a.keys() & b.keys()) if (x := a[n].kind) and (y := b[n].kind)]
            on_kinds = KindsAgreement(*_agreed(kinds)) if kinds else None
            found.append(Agreement(first, second, *_agreed(pairs), on_kinds))
    return tuple(found)


def _agreed(pairs: Sequence[tuple[str, str]]) -> tuple[int, int, float | None]:
    return len(pairs), sum(x == y for x, y in pairs), cohens_kappa(pairs)


def cohens_kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Return the unweighted agreement of two raters beyond chance (Cohen 1960): 1 is identical, 0 is chance.

    (p_o - p_e) / (1 - p_e), p_e from each rater's own shares. None without pairs, or when both raters used only
    one label, because chance then explains all of the agreement.
    """
    if not pairs:
        return None
    total = len(pairs)
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    observed = sum(a == b for a, b in pairs) / total
    by_chance = sum(first[label] * second[label] for label in first) / total**2
    return None if by_chance >= 1 else (observed - by_chance) / (1 - by_chance)
