"""make scores PART=engines: pipeline speed on two cores, cost of an additional cell, memory, cold start."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

import numpy as np

from benchmarks.board import Row, publish
from edge_all.bench.end_to_end import EndToEndTimes, memory_over
from edge_all.bench.network_inputs import network_inputs
from edge_all.bench.still_fields import drawn_fields
from edge_all.bench.subprocess_run import time_end_to_end_in_subprocess
from edge_all.hardware.machine import machine
from edge_all.inference.loader import EngineOptions, load_engine
from edge_all.modelstore.shipped import models_folder
from edge_all.profile import Profile
from edge_all.session.options import SessionOptions

PROFILE = Profile(engine="onnxruntime-cpu", threads=2)
CELLS = (1, 5, 20, 50, 100, 200)
COARSE_UM_PER_PX = 0.32
"""200 leukocytes fit into 1280x720 only if a pixel is this large."""
_ANALYSIS = ("take", "gate", "detect", "track", "pass on", "crop", "classify", "count", "hand on")
_FRAMES, _EVERY, _SETTLED = 20_000, 250, 1_000
_GROWTH_MIB = 2.0
"""Growth that counts as none, because the allocator itself fluctuates."""


def way_rows() -> list[Row]:
    """Measure the full pipeline at 1280x720 with five cells."""
    way, board = time_end_to_end_in_subprocess(
        drawn_fields(1280, 720, 5, 12), 250, SessionOptions(profile=PROFILE, um_per_px=0.1)
    )
    engine = way.engine.removeprefix("engine ")
    steps = ", ".join(f"{name} {p.p50_ms:.1f}" for name, p in way.steps.items())
    slowed = f"; THROTTLED: {', '.join(board.throttled)}" if board.throttled else ""
    all_int8 = "float" not in engine.partition(" (")[0]
    beside, queue = way.beside_networks, way.record_queue
    return [
        Row(
            f"end to end, 1280x720, {way.cells_per_field:.1f} cells, 2 cores, INT8",
            ">= 100 fields/s",
            f"{way.fields_per_s:.1f} fields/s, {engine}",
            f"{way.lowest:.1f} to {way.highest:.1f} over 5 rounds; p50 ms: {steps}{slowed}",
            way.fields_per_s >= 100 and all_int8,
        ),
        Row(
            "gate, crop, track and queues, 1280x720, 5 cells",
            "<= 2.5 ms per field",
            f"{beside.p50_ms:.2f} ms",
            f"p95 {beside.p95_ms:.2f}, p99 {beside.p99_ms:.2f}, n {beside.n}",
            beside.p50_ms <= 2.5,
        ),
        Row(
            "concurrent recording, 1280x720, 5 cells, unpaced fields",
            "the analysis never waits for the record",
            f"waited {queue.waits} times in {way.field.n} fields",
            f"at most {queue.deepest} of {queue.size} queued; record p50 {way.steps['record'].p50_ms:.1f} ms",
            queue.waits == 0,
        ),
    ]


def _network_ms(counts: Sequence[int]) -> list[float]:
    """Return the median milliseconds of 100 runs of the classifier alone on each number of crops, batched as usual."""
    crops = network_inputs(models_folder())["classifier"]
    wanted = EngineOptions(PROFILE.engine, PROFILE.precision, PROFILE.threads)
    engine = load_engine(models_folder() / "classifier", "classifier", wanted).engine
    medians = []
    for count in counts:
        images = np.stack([crops[i % len(crops)] for i in range(count)])
        seconds = []
        for _ in range(100):
            started = time.perf_counter()
            for at in range(0, count, PROFILE.max_batch):
                engine.run(images[at : at + PROFILE.max_batch])
            seconds.append(time.perf_counter() - started)
        medians.append(1000 * statistics.median(seconds))
    engine.close()
    return medians


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the slope of the least-squares line."""
    return float(np.polyfit(np.asarray(x, float), np.asarray(y, float), 1)[0])


def steepening(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the slope of the upper points divided by that of the lower ones, with the middle point in both.

    It is 1 for a straight line, and more if a step grows faster than linearly. Slopes under 2 us per cell are noise and
    count as 1.
    """
    middle = len(x) // 2
    lower, upper = slope(x[: middle + 1], y[: middle + 1]), slope(x[middle:], y[middle:])
    return upper / max(lower, 0.002) if upper > 0.002 else 1.0


def cell_rows() -> list[Row]:
    """Cost of an additional cell, from 1 to 200 in a field."""
    ways: list[EndToEndTimes] = []
    for cells in CELLS:
        fields = drawn_fields(1280, 720, cells, 12, COARSE_UM_PER_PX)
        ways.append(
            time_end_to_end_in_subprocess(fields, 100, SessionOptions(profile=PROFILE, um_per_px=COARSE_UM_PER_PX))[0]
        )
    found = [w.cells_per_field for w in ways]
    by_step = {name: [w.steps[name].p50_ms for w in ways] for name in ways[0].steps}
    slopes = {name: slope(found, by_step[name]) for name in by_step}
    whole = slope(found, [sum(by_step[name][i] for name in _ANALYSIS) for i in range(len(ways))])
    network = slope(CELLS, _network_ms(CELLS))
    bends = {name: steepening(found, by_step[name]) for name in (*_ANALYSIS, "record")}
    worst = max(bends, key=lambda name: bends[name])
    each = ", ".join(f"{name} {1000 * s:.0f}" for name, s in slopes.items() if abs(s) > 0.0005)
    where = "1280x720 at 0.32 um per px, " + ", ".join(f"{n:.0f}" for n in found) + " cells"
    return [
        Row(
            f"one more cell in a field, {where}",
            "<= 1.3x the cost of the network alone",
            f"{whole / network:.2f}x",
            f"{whole:.3f} ms against {network:.3f} ms; us per cell: {each}",
            whole <= 1.3 * network,
        ),
        Row(
            "growth of each step from 1 to 200 cells",
            "none faster than linear (slope from 50 on <= 1.3x the slope before)",
            f"steepest: {worst} {bends[worst]:.2f}x",
            ", ".join(f"{name} {b:.2f}" for name, b in bends.items()),
            bends[worst] <= 1.3,
        ),
    ]


def memory_rows() -> list[Row]:
    """20,000 frames in one session, in a separate process."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.engines", "memory"], stdout=subprocess.PIPE, text=True, check=True
    )
    seen = json.loads(done.stdout.splitlines()[-1])
    settled = [(n, mib) for n, mib in seen if n >= _SETTLED]
    first, last = settled[0][1], settled[-1][1]
    per_1000 = 1000 * slope([n for n, _ in settled], [mib for _, mib in settled])
    return [
        Row(
            f"memory over {_FRAMES} frames of 320x240 with one cell",
            f"no growth after the first {_SETTLED} (<= {_GROWTH_MIB:g} MiB)",
            f"{last - first:+.1f} MiB",
            f"{first:.0f} MiB at {_SETTLED}, {last:.0f} MiB at {settled[-1][0]}; {per_1000:+.3f} MiB per 1,000 frames",
            last - first <= _GROWTH_MIB,
        )
    ]


def _first_result_s(camera: str) -> float:
    """Return the time from the start of a new process to the summary after its first field."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "edge_all", "run", "--camera", camera, "--max-frames", "1"]
        started = time.perf_counter()
        with subprocess.Popen(
            [*command, "--engine", PROFILE.engine, "--threads", "2", "--record", folder],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            assert process.stdout is not None
            said = process.stdout.readline()
            seconds = time.perf_counter() - started
            rest = process.stdout.read()
    if process.returncode or "1 analyzed" not in said + rest:
        raise RuntimeError(f"no field was analyzed: {said}{rest}")
    return seconds


def cold_rows() -> list[Row]:
    """Measure new processes, with the program's files in the page cache."""
    seconds = sorted(_first_result_s("sim:") for _ in range(7))
    middle = statistics.median(seconds)
    return [
        Row(
            "cold start to first result, edge-all run --camera sim: on the CPU",
            "<= 2 s",
            f"{middle:.2f} s",
            f"{seconds[0]:.2f} to {seconds[-1]:.2f}, 7 new processes, including drawing the first field",
            middle <= 2,
        )
    ]


def main() -> int:
    """Measure on two cores, print and publish."""
    if sys.argv[1:] == ["memory"]:
        fields = drawn_fields(320, 240, 1, 12)
        print(json.dumps(memory_over(fields, _FRAMES, _EVERY, PROFILE)))
        return 0
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    rows = [*way_rows(), *cell_rows(), *memory_rows(), *cold_rows()]
    notes = [
        "Machine: " + ", ".join(f"{k} {v}" for k, v in machine().items()) + ".",
        "Fields are drawn before the clock starts and delivered as fast as they are taken, as from a moving stage; "
        "sessions are complete, with recording; see docs/benchmarks.md.",
    ]
    return publish("engines", rows, notes)


if __name__ == "__main__":
    sys.exit(main())
