"""Rows about the classifier's speed on this CPU, with float and INT8 measured alternately in one process."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np
import onnxruntime

from benchmarks.board import Row
from edge_all.hardware.malloc import keep_freed_memory
from edge_all.inference.contract import read_contract
from edge_all.modelstore.shipped import models_folder

RUNS = 200
ROUNDS = 5
BATCH = 8
_FILES = ("float.onnx", "int8-cpu.onnx")


def _session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _side(session: onnxruntime.InferenceSession, name: str) -> int:
    return read_contract(session.get_modelmeta().custom_metadata_map, name, "classifier").input_px


def measure(folder: Path, batch: int, names: tuple[str, ...] = _FILES) -> list[tuple[float, ...]]:
    """Return the median milliseconds of each file in each round, with the allocator settings of a session."""
    keep_freed_memory()
    sessions = [_session(folder / name) for name in names]
    side = _side(sessions[0], names[0])
    images = np.random.default_rng(0).integers(0, 255, (batch, side, side, 3), dtype=np.uint8)
    rounds = []
    for _ in range(ROUNDS):
        times: list[list[float]] = [[] for _ in sessions]
        for _ in range(RUNS // ROUNDS + 20):
            for session, own in zip(sessions, times, strict=True):
                started = time.perf_counter()
                session.run(None, {"image": images})
                own.append(1000 * (time.perf_counter() - started))
        rounds.append(tuple(statistics.median(own) for own in times))
    return rounds


def speed_rows() -> list[Row]:
    """INT8 against float in batches, and the time of one cell; without a shipped INT8 file, only float's time."""
    folder = models_folder() / "classifier"
    ratio_words, cell_words = (
        f"INT8 against float, classifier, CPU, one thread, batch {BATCH}",
        f"one cell, classifier, INT8, CPU, one thread, batch {BATCH}",
    )
    if not (folder / _FILES[1]).is_file():
        reason = "no INT8 file of the classifier has passed the gate"
        alone = min(r[0] for r in measure(folder, BATCH, _FILES[:1])) / BATCH
        return [
            Row(ratio_words, ">= 1.5x", reason, "", False),
            Row(cell_words, "<= 1.5 ms", reason, f"float {alone:.2f} ms", False),
        ]
    eight, one = measure(folder, BATCH), measure(folder, 1)
    ratios = sorted(floating / int8 for floating, int8 in eight)
    ratio = statistics.median(ratios)
    cells = sorted(int8 / BATCH for _, int8 in eight)
    cell = statistics.median(cells)
    return [
        Row(ratio_words, ">= 1.5x", f"{ratio:.2f}x", f"{ratios[0]:.2f} to {ratios[-1]:.2f} over {ROUNDS} rounds",
            ratio >= 1.5),
        Row(
            cell_words,
            "<= 1.5 ms",
            f"{cell:.2f} ms",
            f"{cells[0]:.2f} to {cells[-1]:.2f} over {ROUNDS} rounds; batch 1: INT8 "
            f"{statistics.median(int8 for _, int8 in one):.2f} ms, float {statistics.median(f for f, _ in one):.2f} ms",
            cell <= 1.5,
        ),
    ]  # fmt: skip
