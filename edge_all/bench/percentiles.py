"""Percentiles of measured times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_all.errors import UsageError

LEAST_RUNS = 100


@dataclass(frozen=True)
class Percentiles:
    """Percentiles of n times, in milliseconds."""

    n: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


def percentiles(seconds: Sequence[float]) -> Percentiles:
    """Return the percentiles of times in seconds.

    Raises:
        UsageError: for fewer than LEAST_RUNS times, as the 99th percentile of 100 times is the second largest.
    """
    if len(seconds) < LEAST_RUNS:
        raise UsageError(f"{len(seconds)} runs are too few to publish", f"use --runs {LEAST_RUNS} or more")
    p50, p95, p99 = (float(1000 * v) for v in np.percentile(np.asarray(seconds), (50, 95, 99)))
    return Percentiles(len(seconds), p50, p95, p99)
