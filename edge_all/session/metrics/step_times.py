"""Durations of the pipeline's steps, measured only on request."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

T = TypeVar("T")

STEPS = (
    "grab",
    "take",
    "gate",
    "detect",
    "track",
    "pass on",
    "crop",
    "classify",
    "count",
    "picture",
    "hand on",
    "record",
)
"""Steps in pipeline order.

`take` reads from the camera's queue and `hand on` writes to the record's, waiting included. `pass on` writes to the
classification thread's queue, without the wait for the previous field. Four threads run `grab`, `take` to `pass on`,
`crop` to `hand on`, and `record`."""
HAND_OVERS = ("take", "pass on", "hand on")


class StepTimes:
    """Timer that keeps the duration in seconds of every call of every step.

    Steps of different threads use different lists, so no lock is needed.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def step(self, name: str, calls: int = 1) -> Iterator[None]:
        """Measure the body of a with statement.

        `calls` is the number of calls that the body makes together; each is counted with an equal share.
        """
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += [(time.perf_counter() - started) / calls] * calls

    def timed(self, name: str, get: Callable[[], T]) -> T:
        """Measure and return `get()`. The None at the end of a stream is not counted as a call."""
        started = time.perf_counter()
        item = get()
        if item is not None:
            self.seconds[name].append(time.perf_counter() - started)
        return item


class _Off(StepTimes):
    def step(self, name: str, calls: int = 1) -> Any:  # noqa: ARG002
        return nullcontext()

    def timed(self, name: str, get: Callable[[], T]) -> T:  # noqa: ARG002
        return get()


OFF = _Off()
