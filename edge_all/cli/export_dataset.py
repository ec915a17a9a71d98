"""Command 'edge-all export-dataset': write reviewed cells as a training data set."""

from __future__ import annotations

from pathlib import Path

import click

from edge_all.cli.options.common import record_option
from edge_all.domain.plural import counted


@click.command("export-dataset")
@click.argument("sessions", metavar="SESSION...", nargs=-1, required=True)
@click.option("--out", metavar="DIR", required=True, help="Folder to create.")
@record_option
def command(sessions: tuple[str, ...], out: str, record: str | None) -> int:
    """Write the reviewed cells of sessions as a data set with CLASS/GROUP/image files and labels.csv.

    'edge-all data check' and 'edge-all train' read it. Sample ids become hashed groups; names are not exported.

    \b
    Example:
      edge-all export-dataset 20260131-093000-ab12 20260131-101500-cd34 --out our_cells
      edge-all data check our_cells
    """
    from edge_all.datasets.export import export_dataset
    from edge_all.record.location import record_folder
    from edge_all.record.store import Record

    with Record.open(record_folder(record), create=False) as opened:
        done = export_dataset(opened, sessions, Path(out))
    counts = ", ".join(f"{count} {name}" for name, count in sorted(done.classes.items()))
    click.echo(f"{counts} in {counted(done.groups, 'group')}. Written to {done.folder}")
    if done.unidentified:
        click.echo(f"Left out: {counted(done.unidentified, 'cell')} reviewed as unidentified, without a class to learn")
    if done.without_picture:
        click.echo(
            f"Left out: {counted(done.without_picture, 'cell')} of which neither the crop nor the field was saved"
        )
    return 0
