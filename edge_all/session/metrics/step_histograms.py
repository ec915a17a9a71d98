"""Histograms of step durations, with a fixed number of counters for months of operation."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from edge_all.session.metrics.step_times import STEPS, StepTimes

T = TypeVar("T")

BOUNDS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Upper bounds of the buckets in seconds; one more bucket holds longer durations."""


@dataclass
class Histogram:
    """Histogram of call durations."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    """Calls per bucket, not cumulative."""
    sum_s: float = 0.0

    def add(self, seconds: float) -> None:
        """Add one call that took `seconds`."""
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.sum_s += seconds

    def cumulated(self) -> list[tuple[str, float]]:
        """Return each bound with the number of calls up to it, as Prometheus expects them."""
        total, rows = 0, []
        for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), list(self.counts), strict=True):
            total += count
            rows.append((bound, float(total)))
        return rows


class StepHistograms(StepTimes):
    """Timer that keeps a histogram per step. Each step is measured in only one thread, so no lock is needed."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = {name: Histogram() for name in STEPS}

    @contextmanager
    def step(self, name: str, calls: int = 1) -> Iterator[None]:
        """Measure a step, as StepTimes.step does."""
        started = time.perf_counter()
        try:
            yield
        finally:
            each = (time.perf_counter() - started) / calls
            for _ in range(calls):
                self.steps[name].add(each)

    def timed(self, name: str, get: Callable[[], T]) -> T:
        """Measure and return `get()`. The None at the end of a stream is not counted as a call."""
        started = time.perf_counter()
        item = get()
        if item is not None:
            self.steps[name].add(time.perf_counter() - started)
        return item
