"""Rows about INT8's speed on this CPU, with float and INT8 measured alternately in one process."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np
import onnxruntime

from benchmarks.board import Row
from edge_all.hardware.malloc import keep_freed_memory
from edge_all.modelstore.shipped import models_folder

RUNS = 200
ROUNDS = 5


def _session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _measured(batch: int) -> list[tuple[float, float]]:
    """Return (float, INT8) median milliseconds of each round, with the allocator settings of a session."""
    keep_freed_memory()
    folder = models_folder() / "classifier"
    sessions = [_session(folder / name) for name in ("float.onnx", "int8-cpu.onnx")]
    images = np.random.default_rng(0).integers(0, 255, (batch, 80, 80, 3), dtype=np.uint8)
    rounds = []
    for _ in range(ROUNDS):
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(RUNS // ROUNDS + 20):
            for session, own in zip(sessions, times, strict=True):
                started = time.perf_counter()
                session.run(None, {"image": images})
                own.append(1000 * (time.perf_counter() - started))
        rounds.append((statistics.median(times[0]), statistics.median(times[1])))
    return rounds


def _float_alone() -> float:
    session = _session(models_folder() / "classifier" / "float.onnx")
    image = np.random.default_rng(0).integers(0, 255, (1, 80, 80, 3), dtype=np.uint8)
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        session.run(None, {"image": image})
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times)


def speed_rows() -> list[Row]:
    """INT8 against float at batch 8, and one cell alone; without a shipped INT8 file, only float's time."""
    if not (models_folder() / "classifier" / "int8-cpu.onnx").is_file():
        reason = "no INT8 file of the classifier has passed the gate"
        alone = _float_alone()
        return [
            Row("INT8 against float, CPU, one thread, batch 8", ">= 1.5x", reason, "", False),
            Row("one cell, batch 1, one thread, INT8", "<= 0.4 ms", reason, f"float {alone:.3f} ms", False),
        ]
    eight, one = _measured(8), _measured(1)
    ratios = sorted(a / b for a, b in eight)
    ratio = statistics.median(ratios)
    single = sorted(b for _, b in one)
    median = statistics.median(single)
    return [
        Row(
            "INT8 against float, CPU, one thread, batch 8",
            ">= 1.5x",
            f"{ratio:.2f}x",
            f"{ratios[0]:.2f} to {ratios[-1]:.2f} over {ROUNDS} rounds; {min(b for _, b in eight):.2f} ms",
            ratio >= 1.5,
        ),
        Row(
            "one cell, batch 1, one thread, INT8",
            "<= 0.4 ms",
            f"{median:.3f} ms",
            f"{single[0]:.3f} to {single[-1]:.3f}; float {min(a for a, _ in one):.3f}",
            median <= 0.4,
        ),
    ]
