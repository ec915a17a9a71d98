"""Report of a session as bytes, in each format."""

from __future__ import annotations

from edge_all.errors import UsageError
from edge_all.reports.contents import ReportContents

MEDIA_TYPES = {
    "pdf": "application/pdf",
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "fhir": "application/fhir+json",
}


def render(contents: ReportContents, form: str) -> bytes:
    """Render a report. form: pdf, html, json, csv or fhir.

    Raises:
        UsageError: when the format is unknown.
        EdgeAllError: when the library for PDF is missing.
    """
    if form == "pdf":
        from edge_all.reports.formats.pdf_format import report_pdf

        return report_pdf(contents)
    if form == "html":
        from edge_all.reports.formats.html_format import report_html

        return report_html(contents).encode("utf-8", "backslashreplace")
    if form == "json":
        from edge_all.reports.formats.json_format import report_json

        return report_json(contents).encode()
    if form == "csv":
        from edge_all.reports.formats.csv_format import report_csv

        return report_csv(contents).encode("utf-8", "backslashreplace")
    if form == "fhir":
        from edge_all.reports.formats.fhir_format import report_fhir

        return report_fhir(contents).encode()
    raise UsageError(f"unknown report format '{form}'", f"choose one of {', '.join(MEDIA_TYPES)}")
