"""The command ``edge-all evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_all.cli.options.finite_range import FiniteRange
from edge_all.cli.output.reporter import current_reporter
from edge_all_export.cli.options import out_option, threads_option

if TYPE_CHECKING:
    from edge_all.inference.base import Engine


@click.command("evaluate")
@click.argument("model", metavar="[MODEL]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--data", "paths", metavar="PATH", multiple=True, type=click.Path(path_type=Path),
    help="Labeled images ('data check' lists them); may be repeated. Default: the sources of the shipped recipes.",
)  # fmt: skip
@out_option
@click.option(
    "--um-per-px", type=FiniteRange(0.005, 2), help="Scale of single-cell pictures that show no erythrocytes."
)
@click.option("--no-smears", is_flag=True, help="Skip the result that 'edge-all run' would give for each smear.")
@threads_option
def command(
    model: Path | None,
    paths: tuple[Path, ...],
    out: Path,
    um_per_px: float | None,
    no_smears: bool,
    threads: int | None,
) -> int:
    """Evaluate a classifier on labeled cells of groups it has not seen.

    MODEL is a checkpoint or an ONNX file of any precision; the default is the shipped one. Writes DIR/evaluation.html
    and DIR/evaluation.json. Cells of groups that the model was trained on are left out; if there are no others, they
    are used and the title states this.

    \b
    Example:
      edge-all evaluate --data shared/data/allidb1 --out runs/evaluation
      edge-all evaluate runs/mine/checkpoint.pt --data my_cells.csv --out runs/mine/evaluation
    """
    from rich.console import Console
    from rich.progress import Progress

    from edge_all.cli.options.common import RESEARCH_USE
    from edge_all.errors import UsageError
    from edge_all_export.data.root import data_root
    from edge_all_export.data.sources.registry import read_all
    from edge_all_export.data.survey import survey
    from edge_all_export.evaluate.classified import classify_cells, form_for
    from edge_all_export.evaluate.load import load_classifier, load_for_segmented
    from edge_all_export.evaluate.report import evaluation, write_evaluation
    from edge_all_export.evaluate.smears import smear_results
    from edge_all_export.recipes.recipe import load_recipe
    from edge_all_export.training.datasets import real_cells, source_folders

    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file", "choose a folder for --out")
    root = data_root()
    wanted = list(paths)
    if not wanted and root is not None:
        wanted = source_folders(root, load_recipe("classifier")["data.sources"])
    if not wanted:
        raise UsageError("no images to evaluate on", "name them with --data, or set EDGE_ALL_DATA")
    engine = load_classifier(model, threads or 0)
    for_segmented = load_for_segmented(model, engine, threads or 0)
    used: list[Engine] = []
    data = read_all(wanted)
    data = survey(data).data  # groups that share an image are one group
    sources = {i.source for d in data for i in d.items}
    scales = dict.fromkeys(sources, um_per_px) if um_per_px else {}
    with current_reporter().lines(err=True):
        cells = real_cells(data, {}, scales, form_for(for_segmented.contract), form_for(engine.contract))
    if not cells:
        raise UsageError(
            f"no labeled cells in {', '.join(map(str, wanted))}", "run 'edge-all data check' to list its contents"
        )
    console = Console(stderr=True)
    if engine.contract.extra.get("cells") == "segmented":
        click.echo(f"{engine.contract.name} classifies segmented cells only; cells in fields are left out", err=True)
        cells = [c for c in cells if c.segmented]
        no_smears = True
    elif any(c.segmented for c in cells) and for_segmented is engine:
        click.echo("no classifier-segmented next to the model; the model classifies segmented cells too", err=True)
    fields = [] if no_smears else [f for d in data for f in d.fields]
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("classifying", total=len(cells) + len(fields))
        classified = []
        for own, segmented in ((engine, False), (for_segmented, True)):
            part = [c for c in cells if c.segmented == segmented]
            if part:
                classified += classify_cells(own, part, lambda n: progress.advance(task, n))
                used.append(own)
        smears = smear_results(engine, fields, lambda: progress.advance(task))
    result = evaluation(used, classified, smears, [d.layout for d in data])
    write_evaluation(result, out)
    click.echo(result.title)
    v = result.values
    click.echo(f"{v['blasts']} blasts, {v['normals']} normal cells, {v['left_out_because_seen']} left out because seen")
    for f in result.figures:
        if f.value is None:
            click.echo(f"  {f.name:<20} -      ({f.how})")
        else:
            spread = "" if f.low is None else f"{f.low:.3f} to {f.high:.3f}"
            click.echo(f"  {f.name:<20} {f.value:.3f}  {spread}  ({f.how})")
    for r in smears:
        click.echo(f"  {r.smear}: {r.result}")
    click.echo(f"written to {out / 'evaluation.html'} and {out / 'evaluation.json'}")
    click.echo(RESEARCH_USE)
    return 0
