"""The command ``edge-all compare``."""

from __future__ import annotations

from pathlib import Path

import click

from edge_all.cli.output.reporter import current_reporter
from edge_all_export.cli.options import out_option, threads_option


@click.command("compare")
@out_option
@click.option(
    "--data", "paths", metavar="PATH", multiple=True, type=click.Path(path_type=Path),
    help="Labeled images; may be repeated. Default: the sources of the shipped recipes.",
)  # fmt: skip
@click.option("--networks", metavar="A,B", help="Networks to compare, such as blast-net,resnet50. Default: all.")
@click.option("--folds", default=2, type=click.IntRange(1, 5), show_default=True, help="Number of folds of groups.")
@click.option("--epochs", default=6, type=click.IntRange(1), show_default=True, help="Epochs per training run.")
@click.option("--steps", default=50, type=click.IntRange(1), show_default=True, help="Batches per epoch.")
@click.option(
    "--bfloat16",
    is_flag=True,
    help="Train all networks in bfloat16; faster on processors with AMX.",
)
@threads_option
def command(
    out: Path,
    paths: tuple[Path, ...],
    networks: str | None,
    folds: int,
    epochs: int,
    steps: int,
    bfloat16: bool,
    threads: int | None,
) -> int:
    """Train all architectures, including ours, on the same groups and budget, and tabulate quality and cost.

    Writes DIR/comparison.csv after each training run and resumes from it when started again; then writes
    comparison.html. A network whose loss was still falling when the budget ended is marked unconverged and cannot be
    ranked as the loser.

    \b
    Example:
      edge-all compare --networks blast-net,efficientnet-lite0,mobilenet-v2 --out runs/comparison
    """
    import torch

    from edge_all.errors import EdgeAllError, UsageError
    from edge_all_export.cli.options import set_threads
    from edge_all_export.compare import table
    from edge_all_export.compare.cost import cost_of
    from edge_all_export.compare.experiment import (
        BFLOAT16,
        FLOAT32,
        alone,
        candidates,
        is_scored,
        kind_of,
        read_results,
        recipe_for,
        run_experiment,
        write_results,
    )
    from edge_all_export.models.contracts import SEGMENTED
    from edge_all_export.models.registry import classifiers
    from edge_all_export.recipes.recipe import load_recipe
    from edge_all_export.release.out_of_fold import CLASSIFIER_FOLDS, SEGMENTED_FOLDS, SERIES_FOLDS, segmented_fold
    from edge_all_export.training.datasets import classifier_cells, data_of, sets_sha256

    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file", "choose a folder for --out")
    chosen = candidates([n.strip() for n in networks.split(",")] if networks else ())
    set_threads(threads)
    precision = BFLOAT16 if bfloat16 else FLOAT32
    recipes = [alone(load_recipe(name)) for name in ("classifier", SEGMENTED)]
    if paths:
        recipes = [r.but(data__sources=[], data__paths=[str(p) for p in paths]) for r in recipes]
    data = data_of(recipes[0])
    sha256 = sets_sha256(data)
    file = out / "comparison.csv"
    results = read_results(file)
    if any(r.data_sha256 != sha256 for r in results):
        raise UsageError(f"{file} contains results from other data", "choose another --out")
    wanted = set()
    for recipe in recipes:
        kind = kind_of(recipe)
        click.echo(f"reading and preparing {kind} cells")
        cells = classifier_cells(data, recipe)
        if not any(is_scored(c) and c.segmented == (kind == "segmented") for c in cells):
            click.echo(f"no {kind} cells found; skipping that half of the comparison")
            continue
        names = (SERIES_FOLDS if kind == "field" else SEGMENTED_FOLDS)[:folds]
        for candidate, fold in [(c, f) for c in chosen for f in names]:
            own = recipe_for(candidate, recipe, epochs, steps)
            key = (candidate.network, candidate.pretrained, kind, fold, own.sha256, precision)
            wanted.add(key)
            if any(r.key == key for r in results):
                continue
            click.echo(f"{candidate.name}, {kind} cells, {fold}")
            is_out = segmented_fold(fold, cells) if kind == "segmented" else CLASSIFIER_FOLDS[fold]
            with current_reporter().lines("  "):
                results.append(run_experiment(candidate, fold, is_out, cells, own, sha256, precision))
            write_results(results, file)
    shown = [r for r in results if r.key in wanted]
    torch.set_num_threads(1)
    families = classifiers({c.network for c in chosen})
    costs = {f.name: cost_of(f.build(pretrained=False), f.form.side) for f in families}
    lines = table.lines_of(shown, costs)
    machine = torch.cuda.get_device_name() if torch.cuda.is_available() else "a CPU"
    budget = (
        f"Each network: {epochs} epochs of {steps} batches of {recipe['batch']} on {machine}"
        f"{' in bfloat16' if bfloat16 else ''}, {folds} folds; figures "
        "are means over the folds, with the smallest and the largest."
    )
    try:
        (out / "comparison.html").write_text(table.page(lines, budget))
        (out / "comparison.png").write_bytes(table.plot(lines))
    except OSError as error:
        raise EdgeAllError(f"cannot write to {out} ({error.strerror})", "free space") from error
    rows = [table.HEAD, *(table.cells_of_line(line) for line in lines)]
    widths = [max(len(r[i]) for r in rows) for i in range(len(table.HEAD))]
    for row in rows:
        click.echo("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip())
    click.echo(budget)
    click.echo(table.verdict(lines))
    click.echo(f"written to {out / 'comparison.html'} and {file}")
    return 0
