"""How long each step of the way takes; off unless asked for."""

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
"""In the order of the way. take and hand on: from the camera's queue and to the record's, waits included; pass on: to
the thread that judges, without the wait for the field before. grab, take to pass on, crop to hand on, and record run
in a thread each."""
HAND_OVERS = ("take", "pass on", "hand on")


class StepTimes:
    """Seconds of every call of every step. Steps of different threads go to different lists: no lock is needed."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def step(self, name: str, calls: int = 1) -> Iterator[None]:
        """Measures what is done within. calls: of the step that are done together, each counted with its share."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += [(time.perf_counter() - begun) / calls] * calls

    def timed(self, name: str, get: Callable[[], T]) -> T:
        """What ``get`` gives; the None at a stream's end is no call."""
        begun = time.perf_counter()
        given = get()
        if given is not None:
            self.seconds[name].append(time.perf_counter() - begun)
        return given


class _Off(StepTimes):
    def step(self, name: str, calls: int = 1) -> Any:  # noqa: ARG002
        return nullcontext()

    def timed(self, name: str, get: Callable[[], T]) -> T:  # noqa: ARG002
        return get()


OFF = _Off()
