"""Results computed from a smear's counts: blast percentage with its interval, and the result in words."""

from __future__ import annotations

from math import sqrt

from edge_all.domain.labels import LABELS, Label, LabelInfo
from edge_all.domain.plural import counted
from edge_all.domain.types import Counts

ENOUGH_CELLS = 100
"""Fewest leukocytes for a statement on absence; the usual differential counts 100 or 200."""

_Z95 = 1.959963984540054


def wilson_interval(successes: int, total: int) -> tuple[float, float]:
    """Return the 95 % score interval of a proportion (Wilson 1927) as fractions, or (0, 1) if `total` is 0.

    Unlike the normal approximation, it holds for small and zero counts: 0 of 200 still allows 1.9 %.

    Raises:
        ValueError: when `successes` is not between 0 and `total`.
    """
    if not 0 <= successes <= total:
        raise ValueError(f"{successes} of {total} is not a proportion")
    if total == 0:
        return 0.0, 1.0
    share, square = successes / total, _Z95**2
    center = share + square / (2 * total)
    spread = _Z95 * sqrt(share * (1 - share) / total + square / (4 * total**2))
    scale = 1 + square / total
    low = 0.0 if successes == 0 else (center - spread) / scale
    high = 1.0 if successes == total else (center + spread) / scale
    return low, high


def blast_percent(counts: Counts) -> tuple[float, float, float]:
    """Return the blast percentage and its 95 % interval (low, high), of the leukocytes.

    Returns (0, 0, 100) if no cell was classified. The interval covers the sampling of cells, not the model's error.
    """
    low, high = wilson_interval(counts.blasts, counts.leukocytes)
    share = counts.blasts / counts.leukocytes if counts.leukocytes else 0.0
    return 100 * share, 100 * low, 100 * high


def result_words(counts: Counts) -> str:
    """Return the smear's result in words.

    Any finding suggests a review, because a missed blast is worse than a false flag. Cells without a label because of
    their picture are neither findings nor evidence that there is no blast.
    """
    cells = counts.leukocytes - counts.not_labeled
    if counts.not_labeled:
        reasons = " and ".join(one.reason for one in counts.outside_limits if one.cells)
        not_labeled = f"{counts.not_labeled} of {counted(counts.leukocytes, 'cell')} not labeled: picture {reasons}"
        return not_labeled if cells == 0 else f"{not_labeled}; {_labeled_words(counts, cells)}"
    return _labeled_words(counts, cells)


def _labeled_words(counts: Counts, cells: int) -> str:
    few = f"too few cells: {cells} of at least {ENOUGH_CELLS}"
    if counts.findings:
        given = {row.key: counts.of(row.key) for row in LABELS.findings}
        given[Label.UNIDENTIFIED] -= counts.not_labeled
        kinds = ", ".join(_labeled(given[row.key], row) for row in LABELS.findings)
        words = f"review suggested: {counted(counts.findings, 'finding')} in {counted(cells, 'cell')} ({kinds})"
        return words if cells >= ENOUGH_CELLS else f"{words}; {few}"
    if cells == 0:
        return "too few cells: no leukocyte was found"
    high = 100 * wilson_interval(counts.blasts, cells)[1]
    possible = f"no blast seen in {counted(cells, 'cell')}; up to {high:.1f} % are still possible"
    return possible if cells >= ENOUGH_CELLS else f"{few}; {possible}"


def _labeled(number: int, label: LabelInfo) -> str:
    return f"{number} {(label.key if number == 1 else label.count_key).replace('_', ' ')}"
