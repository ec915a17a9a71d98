"""Comparison of two engines or precisions, alternating in one process on the same cells."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_all.bench.percentiles import LEAST_RUNS
from edge_all.cells.classifier import label_for, thresholds_of
from edge_all.cells.kinds import decide_kinds, to_model_kinds
from edge_all.domain.image import Image
from edge_all.errors import UsageError
from edge_all.field.detector import decode_peaks
from edge_all.inference.base import Engine
from edge_all.inference.contract import Contract
from edge_all.inference.loader import EngineOptions, load_engine
from edge_all.inference.precision import ENGINES, PRECISIONS

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class EngineComparison:
    """Result of a comparison of the second engine with the first."""

    task: str
    first: str
    second: str
    batch: int
    first_ms: float
    second_ms: float
    ratio: float
    """Time of the first divided by that of the second (median of the rounds); above 1, the second is faster."""
    lowest: float
    highest: float
    largest_difference: float
    mean_difference: float
    difference_99: float
    """99th percentile of the differences between the outputs."""
    agreement: float
    """Agreement from 0 to 1.

    For the classifier, the share of cells with the same label and kind. For the detector, the share of cells found by
    both among those found by either.
    """


def parsed(text: str) -> EngineOptions:
    """Parse "ENGINE", "PRECISION" or "ENGINE:PRECISION".

    Raises:
        UsageError: when the engine or the precision is unknown.
    """
    parts = text.replace("float", "fp32").split(":")
    if len(parts) == 1:
        parts = [parts[0], "auto"] if parts[0] in ENGINES else ["auto", parts[0]]
    if len(parts) != 2 or parts[0] not in ("auto", *ENGINES) or parts[1] not in PRECISIONS:
        raise UsageError(
            f"'{text}' is not an engine or a precision",
            f"write ENGINE:PRECISION, from {', '.join(ENGINES)} and {', '.join(PRECISIONS)}",
        )
    return EngineOptions(parts[0], parts[1], wait=True)


def versus(
    task: str,
    first: EngineOptions,
    second: EngineOptions,
    folder: Path,
    images: Sequence[Image],
    batch: int,
    runs: int,
    rounds: int = 5,
) -> EngineComparison:
    """Compare two engines on the network of a task, alternating between them.

    Differences cover all outputs of a classifier but its features, and the center maps of a detector.

    Args:
        task: "detector" or "classifier".
        first: Options of the first engine.
        second: Options of the second engine.
        folder: Folder with the models.
        images: Inputs of the network, RGB uint8, all of one size.
        batch: Images per call.
        runs: Calls of each engine.
        rounds: Rounds for the median and the range of the ratio.

    Raises:
        EngineUnavailableError: when an engine is not available here.
        ModelError: when a model is missing or invalid.
        UsageError: when ``runs`` is too small.
    """
    if runs < LEAST_RUNS:
        raise UsageError(f"{runs} runs are too few to publish", f"use --runs {LEAST_RUNS} or more")
    engines: list[Engine] = []
    try:
        for wanted in (first, second):
            engines.append(load_engine(folder / task, task, wanted).engine)
        outputs = [_outputs(e, images, batch) for e in engines]
        times = _times(engines, np.stack([images[i % len(images)] for i in range(batch)]), runs, rounds)
    finally:
        for engine in engines:
            engine.close()
    ratios = [a / b for a, b in times]
    agreement = _same_cells if task == "detector" else _same_labels
    is_pair = task == "classifier" and not engines[0].contract.gives_kinds
    compared = [o if is_pair else o[:1] for o in outputs]
    difference = np.concatenate([np.abs(a - b).reshape(-1) for a, b in zip(*compared, strict=True)])
    return EngineComparison(
        task=task,
        first=engines[0].name,
        second=engines[1].name,
        batch=batch,
        first_ms=1000 * statistics.median(a for a, _ in times),
        second_ms=1000 * statistics.median(b for _, b in times),
        ratio=statistics.median(ratios),
        lowest=min(ratios),
        highest=max(ratios),
        largest_difference=float(difference.max()),
        mean_difference=float(difference.mean()),
        difference_99=float(np.quantile(difference, 0.99)),
        agreement=agreement(outputs, [e.contract for e in engines]),
    )


def _outputs(engine: Engine, images: Sequence[Image], batch: int) -> list[FloatArray]:
    parts = [engine.run(np.stack(images[i : i + batch])) for i in range(0, len(images), batch)]
    return [np.concatenate(one).astype(np.float32) for one in zip(*parts, strict=True)]


def _same_labels(outputs: Sequence[Sequence[FloatArray]], contracts: Sequence[Contract]) -> float:
    """Return the share of cells with the same label and kind from both, each by its own file's thresholds."""
    named = [_named(pair[0], pair[1], contract) for pair, contract in zip(outputs, contracts, strict=True)]
    return float(np.mean([a == b for a, b in zip(*named, strict=True)]))


def _named(first: FloatArray, second: FloatArray, contract: Contract) -> list[tuple[str, str]]:
    thresholds = thresholds_of(contract)
    if contract.gives_kinds:
        found = decide_kinds(to_model_kinds(first, contract.kinds), thresholds)
        return list(zip(found.label, found.kind, strict=True))
    pairs = zip(first.reshape(-1), second.reshape(-1), strict=True)
    return [(label_for(float(p), float(u), thresholds), "") for p, u in pairs]


def _same_cells(outputs: Sequence[Sequence[FloatArray]], contracts: Sequence[Contract]) -> float:
    """Return the share of cells found by both, at the same place and of the same kind, among those found by either."""
    both = either = 0
    for index in range(len(outputs[0][0])):
        found = [
            decode_peaks(heat[index], log_radius[index, 0], contract.thresholds["found"], contract.um_per_px)
            for (heat, log_radius), contract in zip(outputs, contracts, strict=True)
        ]
        left = list(found[1])
        for peak in found[0]:
            near = [o for o in left if o.smudge == peak.smudge and np.hypot(o.x - peak.x, o.y - peak.y) < peak.radius]
            if near:
                left.remove(near[0])
                both += 1
        either += len(found[0]) + len(left)
    return both / either if either else 1.0


def _times(engines: Sequence[Engine], images: Image, runs: int, rounds: int) -> list[tuple[float, float]]:
    """Return the median seconds per call of each engine, for every round."""
    for engine in engines:
        for _ in range(5):
            engine.run(images)
    medians = []
    for _ in range(rounds):
        seconds: tuple[list[float], list[float]] = ([], [])
        for _ in range(-(-runs // rounds)):
            for engine, own in zip(engines, seconds, strict=True):
                started = time.perf_counter()
                engine.run(images)
                own.append(time.perf_counter() - started)
        medians.append((statistics.median(seconds[0]), statistics.median(seconds[1])))
    return medians
