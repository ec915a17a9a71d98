"""Command 'edge-all config': show the settings and their sources, and check files."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from firmware_config.problem import ConfigError


@click.group("config")
def command() -> None:
    """Show and check the settings from profiles, the device's own files and the environment.

    \b
    Example:
      edge-all config show
      edge-all config check /etc/edge-all/bench.toml
      edge-all config schema > edge-all.schema.json
    """


@command.command("show")
@click.option("--profile", "profile_name", metavar="NAME|FILE", help="Profile to show. Default: the device's own.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def show(profile_name: str | None, as_json: bool) -> None:
    """Show each setting with its source.

    \b
    Example:
      edge-all config show --profile jetson-orin-nano
    """
    from edge_all.profile import load_settings

    resolved = load_settings(profile_name)
    rows = [(".".join(key), value, source) for key, value, source in resolved.values()]
    if as_json:
        values = {key: {"value": value, "source": source} for key, value, source in rows}
        click.echo(json.dumps({"profile": resolved.name, "settings": values}, indent=2))
        return
    click.echo(f"Profile {resolved.name}")
    shown = [(key, _toml(value), source) for key, value, source in rows]
    widths = [max(len(row[i]) for row in shown) for i in (0, 1)]
    for key, value, source in shown:
        click.echo(f"{key:<{widths[0]}}  {value:<{widths[1]}}  {source}")


@command.command("check")
@click.argument("file", metavar="[FILE]", required=False)
def check(file: str | None) -> int:
    """List every error in FILE, or in this device's settings, with line and column. Exits with 1 if there is one.

    \b
    Example:
      edge-all config check bench.toml
    """
    from pathlib import Path

    from firmware_config.problem import ConfigError
    from firmware_config.resolving import resolve

    if file is not None and "/" not in file and not file.endswith(".toml"):
        file = str(Path.cwd() / file)
    try:
        # The environment belongs to this device, not to the file.
        resolve(file, {}) if file is not None else resolve()
    except ConfigError as error:
        _print_problems(error)
        return 1
    click.echo(f"{file or 'the settings of this device'}: valid")
    return 0


@command.command("schema")
def schema() -> None:
    """Print the JSON schema of a profile, for editors that complete and check TOML.

    \b
    Example:
      edge-all config schema > edge-all.schema.json
    """
    from firmware_config.json_schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


def _print_problems(error: ConfigError) -> None:
    for problem in sorted(error.problems, key=lambda p: [int(part) for part in re.findall(r"\b\d+\b", p.where)]):
        click.echo(str(problem), err=True)


def _toml(value: Any) -> str:
    return "not set" if value is None else json.dumps(value, ensure_ascii=False)
