"""End-to-end benchmark: complete sessions on prepared fields, with the time of each step."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge_all.bench.percentiles import LEAST_RUNS, Percentiles, percentiles
from edge_all.bench.still_fields import TURNS, UM_PER_PX, StillFields
from edge_all.domain.image import Image
from edge_all.errors import UsageError
from edge_all.hardware.memory import peak_mib, resident_mib
from edge_all.profile import Profile
from edge_all.session.hooks import SessionHooks
from edge_all.session.metrics.step_times import HAND_OVERS, STEPS, StepTimes
from edge_all.session.options import SessionOptions
from edge_all.session.progress import Progress, Summary
from edge_all.session.session import Session
from edge_all.session.stages.bounded_queue import QueueUse


@dataclass(frozen=True)
class EndToEndTimes:
    """Times of sessions on one kind of field. Rates are medians over the rounds, with the lowest and highest."""

    fields_per_s: float
    lowest: float
    highest: float
    cells_per_s: float
    cells_per_field: float
    steps: dict[str, Percentiles]
    field: Percentiles
    """Time from grabbing a frame until its cells are on disk, without waiting for earlier frames."""
    beside_networks: Percentiles
    """Time of the analysis without the networks: gate, track, crop and both queue handovers of a field."""
    record_queue: QueueUse
    """Use of the queue before the recorder, over all rounds."""
    engine: str
    models: tuple[str, ...]
    peak_mib: float


def time_end_to_end(
    fields: Sequence[Image],
    runs: int,
    options: SessionOptions,
    *,
    independent: bool = False,
    rounds: int = 5,
) -> EndToEndTimes:
    """Time at least ``runs`` fields in total, in ``rounds`` sessions, each on fields that are new to it.

    Args:
        fields: The fields, RGB uint8.
        runs: Total number of fields to process.
        options: Options of every session, such as the profile, the models and the scale.
        independent: Treat fields as independent images, not as views of a moving stage.
        rounds: Number of sessions.

    Raises:
        UsageError: when ``runs`` is too small or fields were skipped.
        ModelError: when a model is missing or invalid.
        EngineUnavailableError: when no engine works here.
    """
    if runs < LEAST_RUNS:
        raise UsageError(f"{runs} runs are too few to publish", f"use --runs {LEAST_RUNS} or more")
    each = -(-runs // rounds)
    rounds = max(rounds, -(-runs // min(each, TURNS * len(fields))))
    each = -(-runs // rounds)
    times = StepTimes()
    rates, cells, queues = [], 0, []
    _timed(StillFields(fields, min(each, 12), independent), options, StepTimes())  # warms files, kernels and clocks
    for _ in range(rounds):
        rate, found, engine, identities, queue = _timed(StillFields(fields, each, independent), options, times)
        queues.append(queue)
        rates.append(rate)
        cells += found
    steps = {name: percentiles(times.seconds[name]) for name in STEPS if times.seconds.get(name)}
    per_field = cells / (rounds * each)
    rate = statistics.median(rates)
    queue = QueueUse(queues[0].size, max(q.deepest for q in queues), sum(q.waits for q in queues))
    return EndToEndTimes(
        fields_per_s=rate,
        lowest=min(rates),
        highest=max(rates),
        cells_per_s=rate * per_field,
        cells_per_field=per_field,
        steps=steps,
        field=percentiles(_summed(times, _OF_A_FIELD)),
        beside_networks=percentiles(_summed(times, _BESIDE_NETWORKS)),
        record_queue=queue,
        engine=engine,
        models=identities,
        peak_mib=peak_mib(),
    )


_OF_A_FIELD = ("grab", "gate", "detect", "track", "pass on", "crop", "classify", "count", "picture", "record")
_BESIDE_NETWORKS = ("gate", "track", "crop", "count", *HAND_OVERS)


def _summed(times: StepTimes, names: Sequence[str]) -> list[float]:
    """Return the summed time of each field, in order; every step runs once per field."""
    return [sum(parts) for parts in zip(*(times.seconds[n] for n in names), strict=True)]


def _timed(
    camera: StillFields, options: SessionOptions, times: StepTimes
) -> tuple[float, int, str, tuple[str, ...], QueueUse]:
    """Run one session.

    Returns:
        Fields per second from the first frame to the last row on disk, number of cells, engines, hashes of the models,
        and the use of the queue before the recorder.
    """
    with _session(camera, options, SessionHooks(times=times)) as session:
        started = time.perf_counter()
        summary = _complete(session.run())
        seconds = time.perf_counter() - started
        engines, queue = session.engines_in_words, session.record_queue
    counts, count = summary.counts, camera.frame_count or 0
    if counts.fields < count:
        skipped = ", ".join(f"{k} {v}" for k, v in counts.skipped.items())
        raise UsageError(f"{count - counts.fields} of {count} fields were skipped ({skipped})", "use other fields")
    found = counts.objects
    return count / seconds, found, engines, tuple(m.sha256 for m in summary.models), queue


@contextmanager
def _session(camera: StillFields, options: SessionOptions, hooks: SessionHooks | None = None) -> Iterator[Session]:
    """Open a session on a record that is deleted afterwards."""
    with tempfile.TemporaryDirectory() as folder, Session(camera, Path(folder), options, hooks) as session:
        yield session


def _complete(summary: Summary) -> Summary:
    if summary.error is not None:
        raise summary.error
    return summary


def memory_over(fields: Sequence[Image], frames: int, every: int, profile: Profile) -> list[tuple[int, float]]:
    """Return (recorded frames, resident MiB) after every ``every`` frames of one long session on repeating fields."""
    seen: list[tuple[int, float]] = []
    count = 0

    def watch(_: Progress) -> None:
        nonlocal count
        count += 1
        if count % every == 0:
            seen.append((count, resident_mib()))

    with _session(StillFields(fields, frames), SessionOptions(profile=profile, um_per_px=UM_PER_PX)) as session:
        _complete(session.run(watch))
    return seen
