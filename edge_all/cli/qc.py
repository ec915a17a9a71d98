"""Command 'edge-all qc': run a control smear and record its trend."""

from __future__ import annotations

import time
from pathlib import Path

import click

from edge_all.cli.options.common import RESEARCH_USE, plain, record_option
from edge_all.cli.options.models import models_folder, models_option


@click.command("qc")
@click.option(
    "--camera", "camera_uri", metavar="URI", help="Camera that shows the control smear. Default: a simulated smear."
)
@click.option("--profile", "profile_name", metavar="NAME|FILE", help="A shipped profile or a TOML file.")
@models_option
@click.option(
    "--name",
    metavar="NAME",
    help="Name of the control smear; runs of the same name form one trend. Default: simulator, or smear.",
)
@click.option(
    "--expect",
    "expected",
    multiple=True,
    metavar="MEASURE=VALUE",
    help="Known value of the smear, such as blast_percent=20. Repeatable. By default, the first runs set the targets.",
)
@click.option("--chart", metavar="FILE.svg", help="Write the trend to FILE.svg as a Levey-Jennings chart.")
@click.option("--show", is_flag=True, help="List the previous runs without running a control.")
@record_option
def command(
    camera_uri: str | None,
    profile_name: str | None,
    models: str | None,
    name: str | None,
    expected: tuple[str, ...],
    chart: str | None,
    show: bool,
    record: str | None,
) -> int:
    """Run a control smear, compare it with the expected values and record the trend.

    Exits with 1 when the run is out of control. A report shows the last control run before its session.

    \b
    Example:
      edge-all qc
      edge-all qc --camera v4l2:/dev/video0 --name slide-7 --expect blast_percent=18 --chart trend.svg
      edge-all qc --show --name slide-7
    """  # fmt: skip
    from edge_all.cli.output.files import file_to_write, write_asked
    from edge_all.errors import UsageError
    from edge_all.qc.control_runs import OUT, control_runs
    from edge_all.qc.control_slide import SIMULATED
    from edge_all.qc.levey_jennings import levey_jennings

    if name is not None and not name.strip():
        raise UsageError("the name of the control smear is empty", "set --name NAME, or leave --name out")
    targets = dict(_target(text) for text in expected)
    file = None if chart is None else file_to_write(chart)
    folder = models_folder(models)
    code = 0
    if show:
        control = name
    else:
        control = name or ("smear" if camera_uri else "simulator")
        code = _run(camera_uri or SIMULATED, profile_name, folder, control, targets, record) == OUT
    runs = control_runs(control)
    if show:
        for run in runs:
            when = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.time))
            values = "  ".join(f"{k} {v:.4g}" for k, v in run.values.items())
            click.echo(f"{when}  {plain(run.name)}  {run.verdict:<14}  {values}")
        click.echo(f"{len(runs)} control runs. {RESEARCH_USE}")
    if file is not None:
        names = {r.name for r in runs}
        if len(names) > 1:
            raise UsageError(
                "a chart can show only one control", f"choose one with --name: {', '.join(map(plain, sorted(names)))}"
            )
        write_asked(file, levey_jennings(runs).encode())
        click.echo(f"Written to {chart}")
    return int(code)


def _run(
    camera_uri: str,
    profile_name: str | None,
    models: Path | None,
    name: str,
    targets: dict[str, float],
    record: str | None,
) -> str:
    from edge_all.cameras.opening import open_camera
    from edge_all.cli.output.progress import ProgressPrinter
    from edge_all.profile import load_profile
    from edge_all.qc.control_runs import MEASURES
    from edge_all.qc.control_slide import run_control
    from edge_all.record.location import record_folder

    profile = load_profile(profile_name)
    camera = open_camera(camera_uri)
    click.echo(f"Control {plain(name)}, camera {plain(camera.uri)}, profile {profile.name}", err=True)
    with ProgressPrinter(camera.frame_count, False) as progress:
        run = run_control(
            camera,
            name,
            record_folder(record),
            profile,
            expected=targets,
            models=models,
            on_progress=progress,
        )
    click.echo(f"Control       {plain(run.name)}, session {run.session}: {run.verdict}")
    for measure, value in run.values.items():
        limit = run.limits.get(measure)
        against = "no limits yet" if limit is None else f"target {limit.target:.4g}, {limit.z(value):+.1f} SD"
        click.echo(f"  {measure:<30}{value:<10.4g}{MEASURES[measure]:<14} {against}")
    for reason in run.reasons:
        click.echo(f"  {reason}")
    click.echo(RESEARCH_USE)
    return run.verdict


def _target(text: str) -> tuple[str, float]:
    from edge_all.errors import UsageError
    from edge_all.qc.control_runs import MEASURES

    name, _, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if name not in MEASURES or not 0 <= number < 1e6:
        raise UsageError(
            f"invalid value for --expect: {plain(text)}", f"write MEASURE=VALUE with one of {', '.join(MEASURES)}"
        )
    return name, number
