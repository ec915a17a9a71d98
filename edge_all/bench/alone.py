"""A foreign network alone, for comparison: any ONNX file with one float image as its input."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_all.bench.percentiles import LEAST_RUNS, Percentiles, percentiles
from edge_all.errors import ModelError, UsageError

_USUAL_SIDE = 640


@dataclass(frozen=True)
class Alone:
    """A network's own time, nothing before or after it."""

    file: str
    shape: tuple[int, ...]
    threads: int
    times: Percentiles


def time_alone(path: Path, runs: int, threads: int) -> Alone:
    """With ONNX Runtime on the CPU. Free sides of its input become 640 pixels, a free batch 1. Raises ModelError,
    UsageError."""
    import onnxruntime

    if runs < LEAST_RUNS:
        raise UsageError(f"{runs} runs are too few to publish", f"take --runs {LEAST_RUNS} or more")
    if not path.is_file():
        raise UsageError(f"there is no file {path}", "name an ONNX file with --baseline")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        (given,) = session.get_inputs()
        free = iter((1, 3, _USUAL_SIDE, _USUAL_SIDE))
        shape = tuple(d if isinstance(d, int) else usual for d, usual in zip(given.shape, free, strict=False))
        kind = np.float32 if given.type == "tensor(float)" else np.uint8
        image = np.random.default_rng(0).random(shape).astype(kind)
        seconds = []
        for _ in range(runs + 5):
            begun = time.perf_counter()
            session.run(None, {given.name: image})
            seconds.append(time.perf_counter() - begun)
    except Exception as error:  # ONNX Runtime raises a dozen kinds
        reason = str(error).splitlines()[0][:160]
        raise ModelError(
            f"{path} does not run alone ({reason})", "give a network with one image as its input"
        ) from error
    return Alone(path.name, shape, threads, percentiles(seconds[5:]))
