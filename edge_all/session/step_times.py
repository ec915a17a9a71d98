"""How long each step of the way takes; off unless asked for."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

STEPS = ("grab", "gate", "detect", "track", "crop", "classify", "portray", "wait", "record")
"""In the order of the way. wait: from the end of an analysis until the record takes it over."""


class StepTimes:
    """Seconds of every call of every step. Steps of different threads go to different lists: no lock is needed."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measures what is done within."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name].append(time.perf_counter() - begun)

    def add(self, name: str, seconds: float) -> None:
        """A time measured elsewhere."""
        self.seconds[name].append(seconds)


class _Off(StepTimes):
    def step(self, name: str) -> Any:  # noqa: ARG002
        return nullcontext()

    def add(self, name: str, seconds: float) -> None:
        pass


OFF = _Off()
