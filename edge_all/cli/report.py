"""edge-all report."""

from __future__ import annotations

from pathlib import Path

import click

from edge_all.cli.options import record_option

FORMATS = ("pdf", "html", "json", "csv", "fhir")
_SUFFIXES = {".pdf": "pdf", ".html": "html", ".htm": "html", ".json": "json", ".csv": "csv"}


@click.command("report")
@click.argument("session_id", metavar="SESSION|last", default="last")
@click.option("--format", "form", type=click.Choice(FORMATS), help="Default: by the ending of --out, else html.")
@click.option("--out", metavar="FILE", required=True, help="Written whole or not at all.")
@click.option("--models", metavar="DIR", help="Where the session's model files lie, if they are not the shipped ones.")
@record_option
def command(session_id: str, form: str | None, out: str, models: str | None, record: str | None) -> int:
    """Write the report of a session: counts with intervals before and after review, blasts, quality, models.

    Preliminary until a reviewer approved the session. fhir is a FHIR R4 bundle with a DiagnosticReport, for a
    laboratory system to test with. Research use only, not a diagnosis.

    \b
    Example:
      edge-all report last --out report.pdf
      edge-all report 20260131-093000-ab12 --format fhir --out bundle.json
    """
    from edge_all.errors import UsageError
    from edge_all.record.folder import record_folder
    from edge_all.record.pictures import write_file
    from edge_all.record.record import Record
    from edge_all.review.report import render
    from edge_all.review.report_contents import read_report

    chosen = form or _SUFFIXES.get(Path(out).suffix.lower(), "html")
    if models is not None and not Path(models).is_dir():
        raise UsageError(f"the models folder {models} does not exist", "leave --models out for the shipped ones")
    with Record.open(record_folder(record), create=False) as opened:
        contents = read_report(opened, session_id, models=Path(models) if models else None)
        data = render(contents, chosen)
    try:
        write_file(Path(out), data)
    except OSError as error:
        raise UsageError(f"cannot write {out} ({error.strerror})", "name another file") from error
    status = "final" if contents.signed else "preliminary: not signed"
    click.echo(f"Report of session {contents.session.id}, {status}. Written to {out}")
    return 0
