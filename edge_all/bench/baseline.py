"""Benchmark of a baseline network by itself, from any ONNX file with one image as its input."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from edge_all.bench.baseline_network import BaselineNetwork
from edge_all.bench.percentiles import LEAST_RUNS, Percentiles, percentiles
from edge_all.errors import UsageError


@dataclass(frozen=True)
class BaselineTimes:
    """Time of a network alone, without pre- or postprocessing."""

    file: str
    shape: tuple[int, ...]
    threads: int
    times: Percentiles


def time_baseline(path: Path, runs: int, threads: int) -> BaselineTimes:
    """Time a network with ONNX Runtime on the CPU. ``threads`` is 0 for every core.

    Raises:
        ModelError: when the network cannot run with one image as its input.
        UsageError: when ``runs`` is too small or the file does not exist.
    """
    if runs < LEAST_RUNS:
        raise UsageError(f"{runs} runs are too few to publish", f"use --runs {LEAST_RUNS} or more")
    threads = threads or len(os.sched_getaffinity(0))
    network = BaselineNetwork(path, threads)
    seconds = []
    for _ in range(runs + 5):
        started = time.perf_counter()
        network.run()
        seconds.append(time.perf_counter() - started)
    return BaselineTimes(path.name, network.shape, threads, percentiles(seconds[5:]))
