"""The command ``edge-all train``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from edge_all.cli.output.reporter import current_reporter
from edge_all_export.cli.options import leaky_option, threads_option


@click.command("train")
@click.argument("recipe_file", metavar="RECIPE.toml", type=click.Path(path_type=Path))
@click.option(
    "--out", metavar="DIR", type=click.Path(path_type=Path), help="Folder for the results. Default: runs/RECIPE."
)
@click.option("--fresh", is_flag=True, help="Start over if --out contains an unfinished training run.")
@leaky_option
@threads_option
def command(recipe_file: Path, out: Path | None, fresh: bool, leaky: bool, threads: int | None) -> int:
    """Train a detector or a classifier from a recipe.

    If it is interrupted and started again with the same --out, it resumes after the last finished epoch, with the same
    result. Writes checkpoint.pt, which names the groups it has never seen, and a log for TensorBoard. On several GPUs:
    torchrun --nproc-per-node N -m edge_all train RECIPE.toml --out DIR.

    \b
    Example:
      edge-all train export/recipes/classifier.toml --out runs/mine
    """
    from edge_all_export.cli.options import set_threads
    from edge_all_export.data.splits import refuse_leaky
    from edge_all_export.recipes.recipe import read_recipe

    recipe = read_recipe(recipe_file)
    out = out or Path("runs") / recipe_file.stem
    refuse_leaky(recipe["data.split"], leaky)
    from edge_all_export.training.distributed import in_parallel
    from edge_all_export.training.start import start

    set_threads(threads)
    if os.environ.get("RANK", "0") != "0":
        current_reporter().hand_over()  # the first process reports the progress of all
    checkpoint = in_parallel(lambda: start(recipe, out, fresh=fresh))
    if checkpoint is not None:
        unseen = ", ".join(checkpoint.unseen_groups) or "none; it has seen all groups"
        click.echo(f"groups never seen: {unseen}")
        if checkpoint.task != "detector" and not checkpoint.decision:
            click.echo("thresholds not chosen: name groups of both classes under [data] hold_out")
        click.echo(f"written to {out / 'checkpoint.pt'}")
    return 0
