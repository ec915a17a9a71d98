"""Rows about speed and memory: the full pipeline, measured in a separate process."""

from __future__ import annotations

from benchmarks.board import Row
from edge_all.bench.end_to_end import EndToEndTimes
from edge_all.bench.still_fields import drawn_fields
from edge_all.bench.subprocess_run import time_end_to_end_in_subprocess
from edge_all.profile import Profile
from edge_all.session.options import SessionOptions

_RUNS = 300


def measure(width: int, height: int, um_per_px: float) -> EndToEndTimes:
    """Time whole sessions over fields with 5 leukocytes, including recording, with independent fields as in a folder.

    The fields are drawn in this process, before the clock starts.
    """
    profile = Profile(engine="onnxruntime-cpu", precision="fp32")
    fields = drawn_fields(width, height, 5, 12, um_per_px)
    return time_end_to_end_in_subprocess(
        fields, _RUNS, SessionOptions(profile=profile, um_per_px=um_per_px), independent=True
    )[0]


def speed_rows() -> list[Row]:
    """Rows for both sizes of the table."""
    rows, peaks = [], []
    for width, height, um, target in ((1280, 720, 0.1, 40), (2592, 1944, 0.086, 8)):
        way = measure(width, height, um)
        peaks.append(way.peak_mib)
        rows.append(
            Row(
                f"end to end with recording, {width}x{height}, 5 cells ({way.cells_per_field:.1f} counted), float, CPU",
                f">= {target} fields/s",
                f"{way.fields_per_s:.1f} fields/s, {way.engine.removeprefix('engine ')}",
                f"{way.lowest:.1f} to {way.highest:.1f} over the rounds, {way.field.n} fields",
                way.fields_per_s >= target,
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
