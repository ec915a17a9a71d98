"""Command 'edge-all cells': print the counted cells of a session."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from edge_all.cli.options.common import RESEARCH_USE, plain, record_option
from edge_all.domain.plural import counted

if TYPE_CHECKING:
    from edge_all.record.rows import CellRow

_TABLE_COLUMNS = (
    "cell",
    "frame",
    "x_px",
    "y_px",
    "width_px",
    "height_px",
    "size_um",
    "label",
    "kind",
    "blast_probability",
    "unfamiliarity",
    "views",
)


@click.command("cells")
@click.option("--session", "session_id", default="last", show_default=True, metavar="ID|last", help="Session to print.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="Output format. csv and json contain every column.",
)
@record_option
def command(session_id: str, form: str, record: str | None) -> int:
    """Print one row for each counted cell, located in its sharpest view.

    x_px and y_px are the center of the cell, in pixels of the frame as stored. kind is the kind of a normal cell, empty
    if in doubt, and otherwise the label; it is empty for each cell of a model that gives no kinds. Artifacts are
    listed, but not counted.

    \b
    Example:
      edge-all cells --session last --format csv > cells.csv
    """
    from edge_all.record.location import record_folder
    from edge_all.record.rows import CELL_COLUMNS
    from edge_all.record.store import Record

    with Record.open(record_folder(record), create=False) as opened:
        rows = opened.cells(opened.session(session_id).id)
    if form == "json":
        click.echo(json.dumps([{**r, "final": bool(r["final"])} for r in rows], indent=1, ensure_ascii=False))
    elif form == "csv":
        writer = csv.DictWriter(sys.stdout, CELL_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        _print_table(rows)
    return 0


def _print_table(rows: Sequence[CellRow]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in _TABLE_COLUMNS:
        is_text = name in ("frame", "label", "kind")
        table.add_column(name, overflow="fold", justify="left" if is_text else "right")
    for row in rows:
        shown = []
        for name in _TABLE_COLUMNS:
            value = row[name]
            if isinstance(value, float):
                shown.append(f"{value:.3f}" if name in ("blast_probability", "unfamiliarity") else f"{value:.1f}")
            else:
                shown.append(plain(str(value)) if value is not None else "-")
        table.add_row(*(Text(s) for s in shown))
    console = Console()
    if not console.is_terminal:
        console.width = 160
    console.print(table)
    click.echo(f"{counted(len(rows), 'cell')}. {RESEARCH_USE}")
