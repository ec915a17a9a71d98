"""Rows about what the models cost: size, and the full pipeline next to another network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.board import Row
from edge_all.modelstore.shipped import models_folder

MOST_MB = 40.0
_BASELINE = "BASELINE"
"""Environment variable with the ONNX file of the network to compare with."""


def size_row(folder: Path | None = None) -> Row:
    """Row about the size of all shipped model files together."""
    files = sorted((folder or models_folder()).rglob("*.onnx"))
    by_model: dict[str, float] = {}
    for file in files:
        by_model[file.parent.name] = by_model.get(file.parent.name, 0) + file.stat().st_size / 1e6
    total = sum(by_model.values())
    each = ", ".join(f"{name} {size:.1f}" for name, size in by_model.items())
    return Row(
        "model files together",
        f"<= {MOST_MB:g} MB",
        f"{total:.1f} MB",
        f"{len(files)} files; {each}",
        total <= MOST_MB,
    )


def baseline_row(file: str | None = None) -> Row:
    """Row about the full pipeline against another network alone, by 'edge-all bench --baseline FILE'."""
    file = file or os.environ.get(_BASELINE)
    what = "end to end with recording, 1280x720, 5 cells, against YOLO11n's network alone, 640x640, in the same run"
    if not file:
        return Row(what, ">= 2.5x", "not measured", f"set {_BASELINE} to the file yolo11n.onnx", False)
    command = [sys.executable, "-m", "edge_all", "bench", "--baseline", file, "--no-cold-start", "--json", "-"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return ratio_row(what, json.loads(done.stdout))


def ratio_row(what: str, bench: dict[str, Any]) -> Row:
    """Row about the ratio of both rates in the JSON of 'edge-all bench'."""
    alone = bench["baseline"]
    per_s = 1000 / alone["times"]["p50_ms"]
    way = bench["end_to_end"]
    ratio = way["fields_per_s"] / per_s
    return Row(
        what,
        ">= 2.5x",
        f"{ratio:.2f}x",
        f"{way['fields_per_s']:.1f} fields/s ({way['lowest']:.1f} to {way['highest']:.1f} over the rounds, "
        f"{bench['ways'][0]['engine']}) against {per_s:.1f} ({alone['file']}, "
        f"{'x'.join(map(str, alone['shape']))}, {alone['threads']} threads)",
        ratio >= 2.5,
    )
