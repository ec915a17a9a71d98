"""Two engines or precisions in turn, in one process, on the same cells."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_all.cells.judging import label_for
from edge_all.engines.engine import Engine
from edge_all.engines.loading import Wanted, load_engine
from edge_all.engines.precision import ENGINES, PRECISIONS
from edge_all.errors import UsageError
from edge_all.vocabulary import Image, Thresholds


@dataclass(frozen=True)
class Versus:
    """How the second does against the first."""

    first: str
    second: str
    batch: int
    first_ms: float
    second_ms: float
    ratio: float
    """The first's time over the second's: over 1, the second is faster. Median of the rounds."""
    lowest: float
    highest: float
    largest_difference: float
    mean_difference: float
    difference_99: float
    """99 % of the outputs differ by no more."""
    label_agreement: float


def parsed(text: str) -> Wanted:
    """ "ENGINE", "PRECISION" or "ENGINE:PRECISION". Raises UsageError."""
    parts = text.replace("float", "fp32").split(":")
    if len(parts) == 1:
        parts = [parts[0], "auto"] if parts[0] in ENGINES else ["auto", parts[0]]
    if len(parts) != 2 or parts[0] not in ("auto", *ENGINES) or parts[1] not in PRECISIONS:
        raise UsageError(
            f"'{text}' names no engine and no precision",
            f"write ENGINE:PRECISION, of {', '.join(ENGINES)} and {', '.join(PRECISIONS)}",
        )
    return Wanted(parts[0], parts[1], wait=True)


def versus(
    first: Wanted, second: Wanted, folder: Path, crops: Sequence[Image], batch: int, runs: int, rounds: int = 5
) -> Versus:
    """The classifier in ``folder`` on crops, ``batch`` at a time, the two engines taking turns. Raises
    EngineUnavailableError, ModelError."""
    engines = [load_engine(folder, "classifier", w).engine for w in (first, second)]
    try:
        outputs = [_outputs(e, crops, batch) for e in engines]
        times = _times(engines, np.stack([crops[i % len(crops)] for i in range(batch)]), runs, rounds)
    finally:
        for engine in engines:
            engine.close()
    ratios = [a / b for a, b in times]
    difference = np.abs(outputs[0] - outputs[1])
    own = engines[0].contract.thresholds
    thresholds = Thresholds(own["blast"], own["normal"], own["unfamiliar"])
    labels = [[label_for(float(p), float(u), thresholds) for p, u in o] for o in outputs]
    return Versus(
        engines[0].name,
        engines[1].name,
        batch,
        1000 * statistics.median(a for a, _ in times),
        1000 * statistics.median(b for _, b in times),
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        float(difference.max()),
        float(difference.mean()),
        float(np.quantile(difference, 0.99)),
        float(np.mean([a is b for a, b in zip(*labels, strict=True)])),
    )


def _outputs(engine: Engine, crops: Sequence[Image], batch: int) -> npt.NDArray[np.floating]:
    parts = [engine.run(np.stack(crops[i : i + batch])) for i in range(0, len(crops), batch)]
    return np.stack([np.concatenate([np.asarray(p[k]).reshape(-1) for p in parts]) for k in (0, 1)], 1)


def _times(engines: Sequence[Engine], images: Image, runs: int, rounds: int) -> list[tuple[float, float]]:
    """Median seconds of one call of each, in every round."""
    for engine in engines:
        for _ in range(5):
            engine.run(images)
    medians = []
    for _ in range(rounds):
        seconds: tuple[list[float], list[float]] = ([], [])
        for _ in range(-(-runs // rounds)):
            for engine, own in zip(engines, seconds, strict=True):
                begun = time.perf_counter()
                engine.run(images)
                own.append(time.perf_counter() - begun)
        medians.append((statistics.median(seconds[0]), statistics.median(seconds[1])))
    return medians
