"""Rows about speed and memory: the whole way, measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.scores.board import Row

_MEASURE = """
import json, sys, tempfile, time
from pathlib import Path
import numpy as np
from edge_all.cameras.simulator import SimulatedMicroscope
from edge_all.engines.shipped import models_folder
from edge_all.profile import Profile
from edge_all.session.session import Session
from edge_all.vocabulary import Frame

width, height, um, rounds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
# Different still fields with five leukocytes each, drawn before the clock starts.
fields, seed = [], 500
while len(fields) < 12:
    seed += 1
    size = f"&width={width}&height={height}&um_per_px={um}&cells={sys.argv[5]}"
    camera = SimulatedMicroscope(f"sim:?seed={seed}&fields=6&frames_per_field=1&step=1.3{size}")
    with camera:
        while (frame := camera.read()) is not None and len(fields) < 12:
            truth = camera.truth(frame.index)
            kinds = [str(c.kind) for c in truth.cells]
            count = sum(k not in ("platelet", "clump", "debris", "smudge") for k in kinds)
            if not truth.moving and count == 5:
                fields.append(frame.image)

class Ready:
    uri, live, independent_fields, frame_count = "ready", False, True, None
    def __init__(self, n): self.n, self.i = n, 0
    def start(self): self.i = 0
    def stop(self): pass
    def read(self):
        if self.i >= self.n: return None
        self.i += 1
        return Frame(fields[self.i % len(fields)], self.i - 1, time.time(), f"f{self.i}")

def run(n):
    with tempfile.TemporaryDirectory() as folder:
        with Session(Ready(n), Path(folder), Profile(um_per_px=um)) as session:
            begun = time.perf_counter()
            summary = session.run()
            return n / (time.perf_counter() - begun), summary.counts.leukocytes / n

run(12)
rates = [run(60) for _ in range(rounds)]
from edge_all.bench.memory import peak_mib
peak = peak_mib()
print(json.dumps({"rates": [r[0] for r in rates], "cells": rates[0][1], "peak_mib": peak}))
"""


def measure(width: int, height: int, um_per_px: float, cells: float, rounds: int = 5) -> dict[str, object]:
    """Fields per second of whole sessions over 60 prepared fields with 5 leukocytes, recording included."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(width), str(height), str(um_per_px), str(rounds), str(cells)],
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return result


def speed_rows() -> list[Row]:
    """Both sizes of the table."""
    rows, peaks = [], []
    for width, height, um, cells, target in ((1280, 720, 0.1, 5, 40), (2592, 1944, 0.086, 1.2, 8)):
        result = measure(width, height, um, cells)
        rates = sorted(float(r) for r in result["rates"])  # type: ignore[union-attr]
        peaks.append(float(result["peak_mib"]))  # type: ignore[arg-type]
        rows.append(
            Row(
                f"end to end with recording, {width}x{height}, 5 cells ({result['cells']:.1f} counted), float, CPU",
                f">= {target} fields/s",
                f"{rates[len(rates) // 2]:.1f} fields/s (median of {len(rates)})",
                f"{rates[0]:.1f} to {rates[-1]:.1f}",
                rates[len(rates) // 2] >= target,
            )
        )
    rows.append(
        Row(
            "peak memory, both sizes",
            "<= 600 MiB",
            f"{max(peaks):.0f} MiB",
            f"{min(peaks):.0f} to {max(peaks):.0f}",
            max(peaks) <= 600,
        )
    )
    return rows
