"""Command 'edge-all sessions': list the recorded sessions."""

from __future__ import annotations

import time

import click

from edge_all.cli.options.common import RESEARCH_USE, plain, record_option
from edge_all.domain.plural import counted


@click.command("sessions")
@record_option
def command(record: str | None) -> int:
    """List the sessions of a record, oldest first.

    \b
    Example:
      edge-all sessions --record /data/record
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from edge_all.domain.statistics import blast_percent
    from edge_all.record.location import record_folder
    from edge_all.record.sessions.lock import unended_in_words
    from edge_all.record.store import Record

    with Record.open(record_folder(record), create=False) as opened:
        rows = opened.sessions()
        folder = opened.folder
    table = Table(box=None, pad_edge=False)
    for name in ("session", "started", "sample", "camera"):
        table.add_column(name, overflow="fold")
    for name in ("fields", "cells", "blasts", "%"):
        table.add_column(name, justify="right")
    table.add_column("result", overflow="fold")
    for row in rows:
        c = row.counts
        started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row.begun))
        percent = f"{blast_percent(c)[0]:.1f}" if not c.none_labeled else "-"
        result = row.result or ("" if row.ended else unended_in_words(folder, row.id))
        values = [
            row.id,
            started,
            plain(row.sample),
            plain(row.camera),
            c.fields,
            c.leukocytes,
            c.blasts,
            percent,
        ]
        table.add_row(*(Text(str(v)) for v in [*values, result]))
    console = Console()
    if not console.is_terminal:
        console.width = 200
    console.print(table)
    click.echo(f"{counted(len(rows), 'session')}. {RESEARCH_USE}")
    return 0
