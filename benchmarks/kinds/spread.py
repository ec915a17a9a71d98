"""Intervals of figures, by resampling series, patients, subjects or cells."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from benchmarks.kinds.left_out import LeftOut

RESAMPLES = 400
_SEED = 0

Indices = npt.NDArray[np.intp]
Measure = Callable[[Indices], float]
"""A figure of chosen cells; NaN if they have none."""


def interval(part: LeftOut, measure: Measure) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a figure; NaN if it has none.

    Units with blasts and units without are drawn separately, because in some sources a series is all one or all the
    other. Cells without known units are drawn within their kind.
    """
    rng = np.random.Generator(np.random.PCG64(_SEED))
    cells_of, strata = _units(part)
    values = []
    for _ in range(RESAMPLES):
        drawn = np.concatenate([s[rng.integers(len(s), size=len(s))] for s in strata])
        values.append(measure(drawn if cells_of is None else np.concatenate([cells_of[u] for u in drawn])))
    known = np.array(values)[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    return float(np.quantile(known, 0.025)), float(np.quantile(known, 0.975))


def _units(part: LeftOut) -> tuple[list[Indices] | None, list[Indices]]:
    """Return the cells of each unit (None if each cell is one), and the units by stratum."""
    if part.unit == "cells":
        kinds = part.cells.kind
        return None, [np.flatnonzero(kinds == k) for k in sorted(set(kinds.tolist()))]
    unit = part.units
    count = int(unit.max()) + 1
    with_blasts = np.bincount(unit, part.cells.is_blast, count) > 0
    strata = [s for s in (np.flatnonzero(with_blasts), np.flatnonzero(~with_blasts)) if len(s)]
    return [np.flatnonzero(unit == u) for u in range(count)], strata


def in_words(part: LeftOut, measure: Measure) -> str:
    """Return, for example, "95 % 0.981 to 0.995 over 82 patients"."""
    low, high = interval(part, measure)
    return f"95 % {low:.3f} to {high:.3f} over {int(part.units.max()) + 1} {part.unit}"
