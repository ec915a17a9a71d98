"""Command 'edge-all report': write the report of a session."""

from __future__ import annotations

from pathlib import Path

import click

from edge_all.cli.options.common import record_option

FORMATS = ("pdf", "html", "json", "csv", "fhir")
_SUFFIXES = {".pdf": "pdf", ".html": "html", ".htm": "html", ".json": "json", ".csv": "csv"}


@click.command("report")
@click.argument("session_id", metavar="SESSION|last", default="last")
@click.option("--format", "form", type=click.Choice(FORMATS), help="Default: by the extension of --out, or else html.")
@click.option("--out", metavar="FILE", required=True, help="File to write, atomically.")
@click.option("--models", metavar="DIR", help="Folder of the session's models, if not the shipped ones.")
@record_option
def command(session_id: str, form: str | None, out: str, models: str | None, record: str | None) -> int:
    """Write the report of a session: counts with intervals before and after review, blasts, quality, models.

    A report is preliminary until a reviewer approves the session. fhir is a FHIR R4 bundle with a DiagnosticReport,
    for testing a laboratory system's interface. Research use only, not a diagnosis.

    \b
    Example:
      edge-all report last --out report.pdf
      edge-all report 20260131-093000-ab12 --format fhir --out bundle.json
    """
    from edge_all.cli.output.files import file_to_write, write_asked
    from edge_all.errors import UsageError
    from edge_all.record.location import record_folder
    from edge_all.record.store import Record
    from edge_all.reports.contents import read_report
    from edge_all.reports.registry import render

    path = file_to_write(out)
    ending = path.suffix.lower()
    if form is None and ending and ending not in _SUFFIXES:
        raise UsageError(
            f"no report format has the extension {ending}",
            f"use one of {', '.join(_SUFFIXES)}, or choose the format with --format",
        )
    chosen = form or _SUFFIXES.get(ending, "html")
    if models is not None and not Path(models).is_dir():
        raise UsageError(f"the models folder {models} does not exist", "leave out --models to use the shipped models")
    with Record.open(record_folder(record), create=False) as opened:
        contents = read_report(opened, session_id, models=Path(models) if models else None)
        data = render(contents, chosen)
    write_asked(path, data)
    status = "final" if contents.signed else "preliminary (not signed)"
    click.echo(f"Report of session {contents.session.id}, {status}. Written to {out}")
    return 0
