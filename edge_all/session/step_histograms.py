"""How long each step takes, over months: a fixed number of counters, however many frames come."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from edge_all.session.step_times import STEPS, StepTimes

T = TypeVar("T")

BOUNDS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Upper bounds of the buckets; one more holds what takes longer."""


@dataclass
class Histogram:
    """counts: calls by bucket, not cumulated."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    sum_s: float = 0.0

    def add(self, seconds: float) -> None:
        """One call."""
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.sum_s += seconds

    def cumulated(self) -> list[tuple[str, float]]:
        """Bound and calls up to it, as Prometheus takes them."""
        gone, rows = 0, []
        for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), list(self.counts), strict=True):
            gone += count
            rows.append((bound, float(gone)))
        return rows


class StepHistograms(StepTimes):
    """Each step is measured in one thread, so that no lock is needed."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = {name: Histogram() for name in STEPS}

    @contextmanager
    def step(self, name: str, calls: int = 1) -> Iterator[None]:
        """As of StepTimes."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            each = (time.perf_counter() - begun) / calls
            for _ in range(calls):
                self.steps[name].add(each)

    def timed(self, name: str, get: Callable[[], T]) -> T:
        """What ``get`` gives; the None at a stream's end is no call."""
        begun = time.perf_counter()
        given = get()
        if given is not None:
            self.steps[name].add(time.perf_counter() - begun)
        return given
