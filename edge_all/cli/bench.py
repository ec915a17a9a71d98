"""Command 'edge-all bench': benchmark each step and the full pipeline."""

from __future__ import annotations

import json
import statistics
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_all.bench.percentiles import LEAST_RUNS
from edge_all.cli.options.engine import engine_options, with_engine
from edge_all.cli.options.finite_range import FiniteRange
from edge_all.cli.options.models import models_folder, models_option
from edge_all.domain.plural import counted

if TYPE_CHECKING:
    from edge_all.bench.end_to_end import EndToEndTimes


@click.command("bench")
@click.option(
    "--size", "sizes", multiple=True, metavar="WxH", help="Size of the fields. Repeatable. Default: 1280x720."
)
@click.option(
    "--cells", multiple=True, type=click.IntRange(0, 400), metavar="N", help="Cells per field. Repeatable. Default: 5."
)
@click.option(
    "--camera",
    "camera_uri",
    metavar="URI",
    help="Camera or files to take the fields from, instead of simulated fields.",
)
@click.option(
    "--um-per-px", type=FiniteRange(0.01, 2.0), metavar="UM", help="Scale. Default for simulated fields: 0.1."
)
@click.option(
    "--runs", type=int, default=200, show_default=True, metavar="N", help=f"Number of fields, at least {LEAST_RUNS}."
)
@click.option("--profile", "profile_name", metavar="NAME|FILE", help="A shipped profile or a TOML file.")
@models_option
@engine_options
@click.option("--compare", nargs=2, metavar="A B", help="Compare two of ENGINE, PRECISION or ENGINE:PRECISION.")
@click.option("--batch", type=click.IntRange(1, 32), default=8, show_default=True, help="Batch size for --compare.")
@click.option("--baseline", metavar="FILE", help="ONNX file of another network, to measure alone in the same run.")
@click.option("--no-cold-start", is_flag=True, help="Skip measuring the start of new processes.")
@click.option("--json", "json_file", metavar="FILE|-", help="Write all figures as JSON.")
def command(
    sizes: tuple[str, ...],
    cells: tuple[int, ...],
    camera_uri: str | None,
    um_per_px: float | None,
    runs: int,
    profile_name: str | None,
    models: str | None,
    engine: str | None,
    precision: str | None,
    threads: int | None,
    compare: tuple[str, str] | None,
    batch: int,
    baseline: str | None,
    no_cold_start: bool,
    json_file: str | None,
) -> int:
    """Benchmark each step from frame to record, and the full pipeline, on this machine.

    The fields are rendered before the clock starts. The sessions are real ones, including recording. Each field shows
    cells that are new to its session.

    \b
    Example:
      edge-all bench --size 1280x720 --cells 1 --cells 5 --cells 50
      edge-all bench --compare fp32 int8
    """
    from edge_all.bench.baseline import time_baseline
    from edge_all.bench.still_fields import UM_PER_PX, drawn_fields, fields_of
    from edge_all.bench.subprocess_run import time_end_to_end_in_subprocess
    from edge_all.errors import UsageError
    from edge_all.hardware.machine import machine
    from edge_all.modelstore.installed import models_in_use
    from edge_all.profile import load_profile
    from edge_all.session.options import SessionOptions

    if runs < LEAST_RUNS:
        raise UsageError(f"{runs} runs are too few to publish", f"use --runs {LEAST_RUNS} or more")
    if baseline is not None and not Path(baseline).is_file():
        raise UsageError(f"the file {baseline} does not exist", "give an ONNX file with --baseline")
    if json_file not in (None, "-") and not Path(str(json_file)).parent.is_dir():
        raise UsageError(f"the folder of {json_file} does not exist", "choose another file for --json")
    folder = models_folder(models) or models_in_use()
    profile = with_engine(load_profile(profile_name), engine, precision, threads)
    facts = machine() | {"requested engine": profile.engine, "requested precision": profile.precision}
    facts["threads"] = str(profile.threads or facts["cores"])
    result: dict[str, Any] = {"machine": facts, "ways": []}
    click.echo(", ".join(f"{k} {v}" for k, v in facts.items()), err=json_file == "-")
    if compare is not None:
        result["compare"] = _compared(compare, folder, runs, batch, json_file == "-")
        return _written(result, json_file)
    if camera_uri is not None:
        own, independent = fields_of(camera_uri, 48, profile.gate, um_per_px)
        asked: list[tuple[str, list[Any], float | None]] = [
            (f"{counted(len(own), 'field')} of {camera_uri}", own, um_per_px)
        ]
    else:
        independent = False
        wanted = [(_size(s), n) for s in sizes or ("1280x720",) for n in cells or (5,)]
        scale = um_per_px or UM_PER_PX
        asked = [(f"{w}x{h}, {counted(n, 'cell')}", drawn_fields(w, h, n, 12, scale), scale) for (w, h), n in wanted]
    for name, fields, um in asked:
        times, board = time_end_to_end_in_subprocess(
            fields, runs, SessionOptions(profile=profile, models=folder, um_per_px=um), independent=independent
        )
        way = {"name": name, **_as_json(times), "board": asdict(board)}
        result["ways"].append(way)
        for line in _table(name, times):
            click.echo(line, err=json_file == "-")
        for line in _board_lines(way):
            click.echo(line, err=json_file == "-")
    first = result["ways"][0]
    result["end_to_end"] = first["end_to_end"]
    result["steps"] = first["steps"]
    if not no_cold_start:
        result["cold_start_s"] = _cold(asked[0][1][0], profile, folder, asked[0][2])
        middle = statistics.median(result["cold_start_s"])
        click.echo(
            f"cold start to the first result {middle:.2f} s (median of 5 new processes, until exit)",
            err=json_file == "-",
        )
    if baseline is not None:
        alone = time_baseline(Path(baseline), runs, profile.threads)
        result["baseline"] = asdict(alone)
        shape = "x".join(map(str, alone.shape))
        t = alone.times
        line = (
            f"baseline {alone.file} alone, {shape}: p50 {t.p50_ms:.2f} ms, p95 {t.p95_ms:.2f}, {1000 / t.p50_ms:.1f}/s"
        )
        click.echo(line, err=json_file == "-")
    return _written(result, json_file)


def _size(text: str) -> tuple[int, int]:
    from edge_all.errors import UsageError

    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit() and 64 <= int(width) <= 4096 and 64 <= int(height) <= 4096):
        raise UsageError(
            f"'{text}' is not a valid size", "write WIDTHxHEIGHT, each from 64 to 4096, for example 1280x720"
        )
    return int(width), int(height)


def _compared(pair: tuple[str, str], folder: Path, runs: int, batch: int, quiet: bool) -> list[dict[str, Any]]:
    """Compare both networks as far as their files exist; a missing file of one does not prevent the other."""
    from edge_all.bench.compare import parsed, versus
    from edge_all.bench.network_inputs import network_inputs
    from edge_all.errors import EngineUnavailableError

    first, second = (parsed(text) for text in pair)
    inputs = network_inputs(folder)
    found, missing = [], []
    for task, size in (("detector", 1), ("classifier", batch)):
        try:
            v = versus(task, first, second, folder, inputs[task], size, runs)
        except EngineUnavailableError as error:
            missing.append(error)
            continue
        found.append(asdict(v))
        same = "of all cells are detected by both" if task == "detector" else "of the cells get the same label"
        for line in (
            f"{task}, {v.batch} at a time: {v.first} {v.first_ms:.3f} ms, {v.second} {v.second_ms:.3f} ms",
            f"  {v.first_ms:.3f} / {v.second_ms:.3f} = {v.ratio:.2f} (median of the rounds, {v.lowest:.2f} to "
            f"{v.highest:.2f})",
            f"  outputs differ by at most {v.largest_difference:.4f}, on average {v.mean_difference:.5f}, 99 % by no "
            f"more than {v.difference_99:.4f}; {100 * v.agreement:.1f} % {same}",
        ):
            click.echo(line, err=quiet)
    if not found:
        raise missing[0]
    for lacking in missing:
        click.echo(f"not compared: {lacking.message}", err=True)
    return found


def _as_json(times: EndToEndTimes) -> dict[str, Any]:
    return {
        "end_to_end": {
            "fields_per_s": times.fields_per_s,
            "lowest": times.lowest,
            "highest": times.highest,
            "cells_per_s": times.cells_per_s,
            "cells_per_field": times.cells_per_field,
            **asdict(times.field),
        },
        "steps": [{"name": name, **asdict(p)} for name, p in times.steps.items()],
        "beside_networks": asdict(times.beside_networks),
        "record_queue": asdict(times.record_queue),
        "engine": times.engine,
        "models": list(times.models),
        "peak_mib": times.peak_mib,
    }


def _table(name: str, times: EndToEndTimes) -> list[str]:
    lines = [f"{name}: {times.engine}", f"{'step':<10}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}"]
    rows = [*times.steps.items(), ("no network", times.beside_networks), ("one field", times.field)]
    lines += [f"{step:<10}{p.p50_ms:>9.2f}{p.p95_ms:>9.2f}{p.p99_ms:>9.2f}" for step, p in rows]
    lines.append(
        f"end to end {times.fields_per_s:.1f} fields/s ({times.lowest:.1f} to {times.highest:.1f}), "
        f"{times.cells_per_s:.0f} cells/s, {times.cells_per_field:.1f} cells per field; "
        f"peak memory {times.peak_mib:.0f} MiB"
    )
    queue = times.record_queue
    behind = f"fell behind; the analysis waited {counted(queue.waits, 'time')}" if queue.waits else "kept up"
    lines.append(f"recording {behind} (queue: at most {queue.deepest} of {queue.size})")
    return lines


def _board_lines(way: dict[str, Any]) -> list[str]:
    board = way["board"]
    lines = []
    if board["throttled"]:
        lines.append(
            f"THROTTLED during this run: {', '.join(board['throttled'])}. Its figures do not represent the board."
        )
    measured = []
    if board["mean_power_w"] is not None:
        measured.append(f"{board['mean_power_w']:.1f} W, {board['energy_j']:.0f} J")
    if board["hottest_c"] is not None:
        measured.append(f"hottest sensor {board['hottest_c']:.0f} C")
    if board["lowest_clock_mhz"] is not None:
        measured.append(f"CPU at {board['lowest_clock_mhz']:.0f} MHz or more")
    return [*lines, *(["board: " + ", ".join(measured)] if measured else [])]


def _cold(image: Any, profile: Any, models: Path, um_per_px: float | None) -> list[float]:
    import cv2

    from edge_all.bench.cold_start import cold_starts

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "field.png"
        cv2.imwrite(str(file), image[..., ::-1])
        return cold_starts(file, profile, models, um_per_px)


def _written(result: dict[str, Any], json_file: str | None) -> int:
    from edge_all.errors import UsageError

    if json_file is None:
        return 0
    text = json.dumps(result, indent=1)
    if json_file == "-":
        click.echo(text)
        return 0
    try:
        Path(json_file).write_text(text + "\n")
    except OSError as error:
        raise UsageError(f"cannot write {json_file} ({error.strerror})", "choose another file for --json") from error
    return 0
