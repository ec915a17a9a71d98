"""Command 'edge-all engine': build, list, clear."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_all.cli.options.common import plain
from edge_all.cli.options.models import models_option
from edge_all.cli.output.reporter import current_reporter

if TYPE_CHECKING:
    from edge_all.inference.tensorrt.cache import Entry

_TASKS = ("detector", "classifier")
_PRECISIONS = ("auto", "int8", "fp16", "fp32")


@click.group("engine", no_args_is_help=True)
def command() -> None:
    """Build TensorRT engines ahead of a session, list them and remove them.

    An engine is built once for each combination of model, precision, GPU, driver and TensorRT version. A session
    builds missing engines automatically.

    \b
    Example:
      edge-all engine build --precision int8
      edge-all engine list
    """


@command.command("build")
@models_option
@click.option(
    "--precision",
    type=click.Choice(_PRECISIONS),
    help="Precision. auto picks the lowest that each model provides. Default: the profile's.",
)
@click.option(
    "--profile", "profile_name", metavar="NAME|FILE", help="Profile that sets max_batch and build_memory_mib."
)
def build(models: str | None, precision: str | None, profile_name: str | None) -> int:
    """Build the missing engines and verify their outputs.

    Each engine must reproduce the outputs stored in its model.

    \b
    Example:
      edge-all engine build --profile jetson-orin-nano
    """
    from edge_all.errors import ModelError
    from edge_all.inference.onnx_file import read_model_file
    from edge_all.inference.precision import file_for, precisions_of
    from edge_all.inference.self_check import self_check
    from edge_all.inference.tensorrt.availability import unavailable
    from edge_all.inference.tensorrt.cache import EngineCache
    from edge_all.inference.tensorrt.engine import TensorRtEngine
    from edge_all.modelstore.installed import models_in_use
    from edge_all.profile import load_profile

    if (missing := unavailable()) is not None:
        raise missing
    profile = load_profile(profile_name)
    folder = Path(models) if models else models_in_use()
    wanted = precision or profile.precision
    reporter = current_reporter()
    for task in _TASKS:
        tried = precisions_of("tensorrt") if wanted == "auto" else (wanted,)
        files = [(p, file_for("tensorrt", p, folder / task)) for p in tried]
        found = next(((p, file) for p, file in files if isinstance(file, Path)), None)
        if found is None:
            reasons = "; ".join(str(file) for _, file in files)
            raise ModelError(f"no {task} to build ({reasons})", "check --models, or choose another --precision")
        with reporter.lines(f"{task}: "):
            engine = TensorRtEngine(
                found[1],
                task,
                precision=found[0],
                cache=EngineCache(),
                max_batch=profile.max_batch,
                build_memory_mib=profile.build_memory_mib or None,
            )
        try:
            difference = self_check(engine, read_model_file(found[1], task).metadata)
        finally:
            engine.close()
        differs = "" if difference is None else f", {difference:.2g} at most from the model's stored answers"
        click.echo(f"{task}: {engine.name} is ready{differs}")
    return 0


@command.command("list")
def list_engines() -> int:
    """List the stored engines and their state.

    The state is good (runs here), damaged, or foreign (built for another GPU, driver or TensorRT).

    \b
    Example:
      edge-all engine list
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from edge_all.inference.tensorrt.cache import EngineCache

    cache = EngineCache()
    entries = cache.entries()
    if not entries:
        click.echo(f"No engines in {cache.folder}. Build them with 'edge-all engine build'.")
        return 0
    table = Table(box=None, pad_edge=False)
    for name in ("model", "precision", "GPU", "TensorRT", "size", "built", "state"):
        table.add_column(name, justify="right" if name == "size" else "left", overflow="fold")
    for entry in entries:
        key = entry.key
        row = (
            entry.model or entry.path.name,
            str(key.get("precision", "-")),
            str(key.get("gpu", "-")),
            f"{key['flavour']} {key['tensorrt']}" if key else "-",
            f"{entry.size_bytes / 1e6:.1f} MB",
            entry.built or "-",
            _state(entry),
        )
        table.add_row(*(Text(plain(part)) for part in row))
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console.width = 160
    console.print(table)
    return 0


@command.command("clear")
def clear() -> int:
    """Remove all stored engines and their build measurements.

    \b
    Example:
      edge-all engine clear
    """
    from edge_all.inference.tensorrt.cache import EngineCache

    cache = EngineCache()
    engines, size = cache.clear()
    click.echo(f"{engines} engines removed from {cache.folder} ({size / 1e6:.1f} MB)")
    return 0


def _state(entry: Entry) -> str:
    from edge_all.errors import EngineUnavailableError
    from edge_all.inference.tensorrt.api import load_api
    from edge_all.inference.tensorrt.cuda.gpu import read_gpu
    from edge_all.inference.tensorrt.key import fits_machine

    if entry.damage is not None:
        return f"damaged: {entry.damage}"
    try:
        gpu, api = read_gpu(), load_api()
    except EngineUnavailableError:
        return "foreign"
    return "good" if fits_machine(entry.key, api.flavour, api.version, gpu) else "foreign"
