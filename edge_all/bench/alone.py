"""A foreign network alone, for comparison: any ONNX file with one image as its input."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from edge_all.bench.percentiles import LEAST_RUNS, Percentiles, percentiles
from edge_all.engines.foreign import ForeignNetwork
from edge_all.errors import UsageError


@dataclass(frozen=True)
class Alone:
    """A network's own time, nothing before or after it."""

    file: str
    shape: tuple[int, ...]
    threads: int
    times: Percentiles


def time_alone(path: Path, runs: int, threads: int) -> Alone:
    """With ONNX Runtime on the CPU. threads: 0 takes every core. Raises ModelError, UsageError."""
    if runs < LEAST_RUNS:
        raise UsageError(f"{runs} runs are too few to publish", f"take --runs {LEAST_RUNS} or more")
    threads = threads or len(os.sched_getaffinity(0))
    network = ForeignNetwork(path, threads)
    seconds = []
    for _ in range(runs + 5):
        begun = time.perf_counter()
        network.run()
        seconds.append(time.perf_counter() - begun)
    return Alone(path.name, network.shape, threads, percentiles(seconds[5:]))
