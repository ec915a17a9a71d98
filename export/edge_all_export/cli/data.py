"""The command ``edge-all data check``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from edge_all.domain.plural import counted


@click.group("data")
def command() -> None:
    """Check folders of labeled images before training on them.

    \b
    Example:
      edge-all data check my_cells.csv
    """


@command.command("check")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--json", "json_file", metavar="FILE", type=click.Path(path_type=Path), help="Also write the counts to FILE."
)
def check(paths: tuple[Path, ...], json_file: Path | None) -> int:
    """Recognize datasets; count classes, groups, duplicates and damaged files.

    Groups (patients, series) that share an image are joined into one, because a split between them would leak. The
    exit status is 1 if a file is damaged or missing.

    \b
    Example:
      edge-all data check shared/data/cnmc
      edge-all data check ALL_IDB1 ALL_IDB2
      edge-all data check my_cells.csv
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from edge_all.cli.options.common import plain
    from edge_all.errors import UsageError
    from edge_all_export.data.dataset import images_of
    from edge_all_export.data.sources.registry import read_all
    from edge_all_export.data.survey import survey

    data = read_all(list(paths), measure=False)
    console = Console(stderr=True)
    with Progress(
        TextColumn("reading images"), BarColumn(), MofNCompleteColumn(), console=console, transient=True,
        disable=not console.is_terminal,
    ) as progress:  # fmt: skip
        task = progress.add_task("", total=len(images_of(data)))
        found = survey(data, lambda: progress.advance(task))
    faulty = False
    for part in found.sets:
        click.echo(f"{plain(part.root)}: {part.layout}")
        fields = f", {part.fields} of them fields" if part.fields else ""
        click.echo(f"  {counted(part.images, 'image')}{fields}")
        for kind, count in part.objects.items():
            names = part.groups[kind]
            listed = ", ".join(plain(n) for n in names[:12]) + (" ..." if len(names) > 12 else "")
            click.echo(f"  {count:>7} {kind:<22} {len(names):>3} group{'s' if len(names) != 1 else ''}: {listed}")
        if part.copies:
            click.echo(f"  {part.copies} exact duplicates of another image")
        for name in part.joined:
            click.echo(f"  joined into one group, because they share images or are known to: {plain(name)}")
        for file, wrong in part.corrupt[:10]:
            click.echo(f"  damaged: {plain(file)} ({wrong}); skipped")
        if len(part.corrupt) > 10:
            click.echo(f"  and {len(part.corrupt) - 10} more damaged files")
        for file in part.missing[:10]:
            click.echo(f"  missing: {plain(file)}")
        if len(part.missing) > 10:
            click.echo(f"  and {len(part.missing) - 10} more missing files")
        for kind in part.one_group_only:
            click.echo(f"  {kind} comes from one group only: no honest split within this set is possible")
        if part.note:
            click.echo(f"  note: {part.note}")
        faulty = faulty or bool(part.corrupt or part.missing)
    if len(found.sets) > 1:
        total = sum(s.images for s in found.sets)
        click.echo(
            f"{len(found.sets)} sets, {counted(total, 'image')}, "
            f"{counted(sum(s.copies for s in found.sets), 'exact duplicate')}"
        )
    if json_file is not None:
        values = [asdict(s) for s in found.sets]
        try:
            json_file.write_text(json.dumps(values, indent=1) + "\n")
        except OSError as error:
            raise UsageError(f"cannot write {json_file} ({error.strerror})", "choose another file") from error
    return 1 if faulty else 0
