"""The differential before and after review: counts, percentages, intervals, warnings, agreement of reviewers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from edge_all.record.rows import CellRow
from edge_all.record.verdicts import KINDS, Verdict
from edge_all.session.differential import ENOUGH_CELLS, wilson_interval

JUDGED = ("blast", "normal", "unidentified")


@dataclass(frozen=True)
class Share:
    """A count among leukocytes: percent with its 95 % Wilson interval, 0 to 100. It covers the sampling of cells,
    not the error of who judged them."""

    name: str
    count: int
    percent: float
    low: float
    high: float


@dataclass(frozen=True)
class Differential:
    """Of one way of counting. Smudges and what is no cell are not among the leukocytes."""

    leukocytes: int
    shares: tuple[Share, ...]
    """blast, normal, unidentified."""
    kinds: tuple[Share, ...]
    """Kinds of normal cells, of all leukocytes, where a reviewer named any; "kind not named" makes up the rest."""
    smudges: int
    smudges_per_100: float | None
    """Smudges for 100 leukocytes; None without leukocytes."""
    not_cells: int
    warnings: tuple[str, ...]

    def share(self, name: str) -> Share:
        """blast, normal or unidentified."""
        return next(s for s in self.shares if s.name == name)


@dataclass(frozen=True)
class Agreement:
    """Two reviewers on the cells that both judged. kappa: Cohen 1960, -1 to 1; None where chance explains all."""

    first: str
    second: str
    cells: int
    agreed: int
    kappa: float | None


@dataclass(frozen=True)
class ReviewedDifferential:
    """before: the model alone. after: the last verdict of each cell, and the model's label where there is none."""

    before: Differential
    after: Differential
    reviewed: int
    """Cells with a verdict."""
    changed: int
    """Of them, those whose label is not the model's."""
    findings_open: int
    """Blasts and unidentified ones of the model without a verdict."""
    agreements: tuple[Agreement, ...]


def differential(labels: Sequence[str], kinds: Sequence[str] = ()) -> Differential:
    """From one label a cell, and the kinds that were named for normal ones."""
    counts = Counter(labels)
    leukocytes = sum(counts[name] for name in JUDGED)
    named = Counter(kinds)
    by_kind: list[Share] = []
    if named:
        by_kind = [_share(name, named[name], leukocytes) for name in KINDS if named[name]]
        rest = counts["normal"] - sum(named.values())
        if rest:
            by_kind.append(_share("kind not named", rest, leukocytes))
    return Differential(
        leukocytes=leukocytes,
        shares=tuple(_share(name, counts[name], leukocytes) for name in JUDGED),
        kinds=tuple(by_kind),
        smudges=counts["smudge"],
        smudges_per_100=100 * counts["smudge"] / leukocytes if leukocytes else None,
        not_cells=counts["not_a_cell"],
        warnings=tuple(_warnings(leukocytes, counts["blast"])),
    )


def reviewed_differential(
    cells: Sequence[CellRow], latest: Mapping[int, Verdict], verdicts: Sequence[Verdict] = ()
) -> ReviewedDifferential:
    """cells: of the record. latest: the verdict that counts, by cell. verdicts: all that stand, for the agreement."""
    known = {int(c["cell"]): str(c["label"]) for c in cells}
    latest = {n: v for n, v in latest.items() if n in known}
    after = [_label(known[n], latest.get(n)) for n in known]
    kinds = [v.kind for v in latest.values() if v.kind and v.label == "normal"]
    return ReviewedDifferential(
        before=differential(list(known.values())),
        after=differential(after, kinds),
        reviewed=len(latest),
        changed=sum(v.label != known[n] for n, v in latest.items()),
        findings_open=sum(label in ("blast", "unidentified") and n not in latest for n, label in known.items()),
        agreements=agreements(verdicts),
    )


def agreements(verdicts: Sequence[Verdict]) -> tuple[Agreement, ...]:
    """Of each two reviewers who judged a cell in common; the last verdict of each on each cell."""
    by_reviewer: dict[str, dict[int, str]] = {}
    for v in sorted(verdicts, key=lambda v: v.id):
        if v.label is not None:
            by_reviewer.setdefault(v.reviewer, {})[v.cell] = v.label
    found = []
    for first, second in combinations(sorted(by_reviewer), 2):
        common = sorted(by_reviewer[first].keys() & by_reviewer[second].keys())
        if common:
            pairs = [(by_reviewer[first][n], by_reviewer[second][n]) for n in common]
            agreed = sum(a == b for a, b in pairs)
            found.append(Agreement(first, second, len(pairs), agreed, cohens_kappa(pairs)))
    return tuple(found)


def cohens_kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Agreement beyond chance of two raters (Cohen 1960): 1 all, 0 chance. None where both used one label only."""
    if not pairs:
        return None
    total = len(pairs)
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    observed = sum(a == b for a, b in pairs) / total
    expected = sum(first[label] * second[label] for label in first) / total**2
    return None if expected == 1 else (observed - expected) / (1 - expected)


def _label(own: str, verdict: Verdict | None) -> str:
    return own if verdict is None or verdict.label is None else verdict.label


def _share(name: str, count: int, total: int) -> Share:
    low, high = wilson_interval(count, total)
    return Share(name, count, 100 * count / total if total else 0.0, 100 * low, 100 * high)


def _warnings(leukocytes: int, blasts: int) -> list[str]:
    warnings = []
    if leukocytes < ENOUGH_CELLS:
        warnings.append(
            f"only {leukocytes} leukocytes were counted; a differential needs at least {ENOUGH_CELLS}, better 200"
        )
    if blasts == 0:
        high = 100 * wilson_interval(0, leukocytes)[1]
        warnings.append(
            f"no blast among {leukocytes} leukocytes still allows up to {high:.1f} %: few cells is not absence"
        )
    return warnings
