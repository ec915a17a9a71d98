"""Command 'edge-all report': write the report of a session."""

from __future__ import annotations

import click

from edge_all.cli.options.common import record_option
from edge_all.cli.options.models import models_folder
from edge_all.reports.registry import DEFAULT, FORMATS, format_of_extension, render

_HELP = f"{'; '.join(f'{f.name}: {f.help}' for f in FORMATS)}. Default: by the extension of --out, or else {DEFAULT}."


@click.command("report")
@click.argument("session_id", metavar="SESSION|last", default="last")
@click.option("--format", "form", type=click.Choice([f.name for f in FORMATS]), help=_HELP)
@click.option("--out", metavar="FILE", required=True, help="File to write, atomically.")
@click.option("--models", metavar="DIR", help="Folder of the session's models, if not the shipped ones.")
@record_option
def command(session_id: str, form: str | None, out: str, models: str | None, record: str | None) -> int:
    """Write the report of a session: counts with intervals before and after review, blasts, quality, models.

    A report is preliminary until a reviewer approves the session. Research use only, not a diagnosis.

    \b
    Example:
      edge-all report last --out report.pdf
      edge-all report 20260131-093000-ab12 --format fhir --out bundle.json
    """
    from edge_all.cli.output.files import file_to_write, write_asked
    from edge_all.record.location import record_folder
    from edge_all.record.store import Record
    from edge_all.reports.contents import read_report

    path = file_to_write(out)
    chosen = form or format_of_extension(path.suffix).name
    folder = models_folder(models)
    with Record.open(record_folder(record), create=False) as opened:
        contents = read_report(opened, session_id, models=folder)
        data = render(contents, chosen)
    write_asked(path, data)
    status = "final" if contents.signed else "preliminary (not signed)"
    click.echo(f"Report of session {contents.session.id}, {status}. Written to {out}")
    return 0
