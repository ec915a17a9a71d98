"""The command ``edge-all inspect``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("inspect")
@click.argument("model", metavar="MODEL", type=click.Path(path_type=Path))
@click.option("--layers/--no-layers", default=True, help="List the precision of each layer.")
def command(model: Path, layers: bool) -> int:
    """Print a model file's or checkpoint's contract, layer precisions, size and the engines that can run it.

    \b
    Example:
      edge-all inspect runs/models/classifier/int8-cpu.onnx
    """
    from edge_all_export.onnx_export.inspect import inspect_checkpoint, inspect_model

    lines = inspect_checkpoint(model) if model.suffix == ".pt" else inspect_model(model, layers)
    for line in lines:
        click.echo(line)
    return 0
