"""Command 'edge-all doctor': check this machine and suggest fixes."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edge_all.cli.options.common import plain, record_option
from edge_all.cli.options.models import models_option


@click.command("doctor")
@click.option(
    "--profile", "profile_name", metavar="NAME|FILE", help="Profile to check. Default: the device's own settings."
)
@models_option
@click.option("--only", metavar="NAME,...", help="Run only these checks, for example program,models.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@record_option
def command(profile_name: str | None, models: str | None, only: str | None, as_json: bool, record: str | None) -> int:
    """Check driver, TensorRT, camera, models, record, disk, clock and power, and suggest fixes.

    Exits with 1 when something does not work.

    \b
    Example:
      edge-all doctor
      edge-all doctor --only camera,disk --json
    """
    from edge_all.record.location import record_folder
    from edge_all.service.doctor.checks import NAMES, looks
    from edge_all.service.doctor.result import Finding, Health

    asked = [name.strip() for name in only.split(",") if name.strip()] if only else []
    found: list[tuple[str, Finding]] = []
    width = max(map(len, NAMES))
    for name, finding in looks(profile_name, Path(models) if models else None, record_folder(record), asked):
        found.append((name, finding))
        if not as_json:
            remedy = f" -> {finding.remedy}" if finding.remedy else ""
            click.echo(f"{finding.health!s:<8} {name:<{width}}  {plain(finding.found)}{plain(remedy)}")
    wrong = any(finding.health is Health.BAD for _, finding in found)
    if as_json:
        rows = {n: {"health": str(f.health), "found": f.found, "remedy": f.remedy} for n, f in found}
        click.echo(json.dumps({"works": not wrong, "checks": rows}, indent=2))
    return int(wrong)
