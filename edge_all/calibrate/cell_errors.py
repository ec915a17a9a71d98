"""Errors of a classifier on reviewed cells, and the rule by which an adaptation is accepted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge_all.domain.labels import LABELS, Label

_MISSED, _FALSE, _WRONG = 3, 2, 1
"""Cost of a blast missed, of another cell called blast, and of any other wrong label or kind."""
_LEAST_LOWER = 0.1
"""Share by which an adaptation must lower the cost on smears held out."""

Named = tuple[str, str]
"""Label and kind; the kind is "" where there is none."""


@dataclass(frozen=True)
class Compared:
    """Verdict on one cell, and its classification before and after the adaptation."""

    verdict: Named
    before: Named
    after: Named


@dataclass(frozen=True)
class ErrorCounts:
    """Errors on some cells."""

    missed: int
    """Blasts called neither blast nor unidentified."""
    false: int
    """Other cells called blast."""
    wrong: int
    """Cells with another label than the verdict's, or another kind where the verdict has one; all errors together."""

    @property
    def cost(self) -> int:
        """Sum over the errors: three for a blast missed, two for another cell called blast, one for any other."""
        return _WRONG * self.wrong + (_MISSED - _WRONG) * self.missed + (_FALSE - _WRONG) * self.false


def count_errors(pairs: Iterable[tuple[Named, Named]]) -> ErrorCounts:
    """Count the errors in pairs of verdict and classification."""
    flagged = {row.key for row in LABELS.findings}
    missed = false = wrong = 0
    for verdict, given in pairs:
        missed += verdict[0] == Label.BLAST and given[0] not in flagged
        false += verdict[0] != Label.BLAST and given[0] == Label.BLAST
        wrong += _is_wrong(verdict, given)
    return ErrorCounts(missed, false, wrong)


def _is_wrong(verdict: Named, given: Named) -> bool:
    return verdict[0] != given[0] or bool(verdict[1] and verdict[1] != given[1])


def reason_to_refuse(cells: Sequence[Compared]) -> str | None:
    """Return why an adaptation is refused by its results on smears held out; None if it is accepted.

    It is accepted if it misses no more blasts, gives no more cells a wrong label or kind, and lowers the cost of all
    errors by at least a tenth.
    """
    before, after = _before_and_after(cells)
    if after.missed > before.missed:
        blasts = sum(c.verdict[0] == Label.BLAST for c in cells)
        return f"it would miss {after.missed} of {blasts} blasts, not {before.missed}"
    enough = after.cost < before.cost and after.cost <= (1 - _LEAST_LOWER) * before.cost
    if after.wrong > before.wrong or not enough:
        return (
            f"it would not help enough: {after.wrong} of {len(cells)} cells with a wrong label or kind, "
            f"{before.wrong} before; {after.false} others called blast, {before.false} before"
        )
    return None


def _before_and_after(cells: Sequence[Compared]) -> tuple[ErrorCounts, ErrorCounts]:
    return count_errors((c.verdict, c.before) for c in cells), count_errors((c.verdict, c.after) for c in cells)


def effect_in_words(cells: Sequence[Compared]) -> str:
    """Describe the change in one line: the confusion that changed most, all errors, and the blasts missed."""
    before, after = _before_and_after(cells)
    parts = _most_corrected(cells)
    parts.append(f"wrong label or kind {_change(before.wrong, after.wrong, len(cells))}")
    blasts = sum(c.verdict[0] == Label.BLAST for c in cells)
    if blasts:
        parts.append(f"blasts missed {_change(before.missed, after.missed, blasts)}")
    return ", ".join(parts) + ", on smears held out"


def _most_corrected(cells: Sequence[Compared]) -> list[str]:
    """Return the confusion that lost most cells, such as "lymphocytes called blast 4 % -> 1 %"; empty if none did."""
    before = Counter((_word(c.verdict), _word(c.before)) for c in cells if _is_wrong(c.verdict, c.before))
    after = Counter((_word(c.verdict), _word(c.after)) for c in cells if _is_wrong(c.verdict, c.after))
    fewer = {pair: before[pair] - after[pair] for pair in before if before[pair] > after[pair]}
    if not fewer:
        return []
    verdict, given = max(sorted(fewer), key=lambda pair: fewer[pair])
    total = sum(_word(c.verdict) == verdict for c in cells)
    return [f"{_plural(verdict)} called {given} {_change(before[verdict, given], after[verdict, given], total)}"]


def _plural(word: str) -> str:
    return "normal cells" if word == Label.NORMAL else f"{word}s"


def _word(named: Named) -> str:
    label, kind = named
    return (kind or label).replace("_", " ")


def _change(before: int, after: int, total: int) -> str:
    return f"{100 * before / total:.0f} % -> {100 * after / total:.0f} %"
