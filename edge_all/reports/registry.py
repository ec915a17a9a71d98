"""Registry of report formats.

A new format is a file in edge_all/reports/formats/ and an entry in FORMATS.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_all.errors import EdgeAllError, UsageError

if TYPE_CHECKING:
    from edge_all.reports.contents import ReportContents

    Writer = Callable[[ReportContents], str | bytes]


@dataclass(frozen=True)
class ReportFormat:
    """A format of a report: how it is selected, written, downloaded and described."""

    name: str
    """Value for --format, and last part of the download's address."""
    title: str
    """Name on pages and in messages; not translated."""
    help: str
    """One line for the command's help."""
    writer: str | Writer
    """Function that writes the report as text or bytes, as "module:function", so that it is imported on use."""
    media_type: str
    extensions: tuple[str, ...] = ()
    """Extensions of a file name that select this format."""
    download_extension: str = ""
    """Extension of the downloaded file. Empty: the first of the extensions."""
    extra: str = ""
    """Extra of the package edge-all with the libraries that the writer needs, if any."""

    @property
    def download_name(self) -> str:
        """Extension of the downloaded file, with its dot."""
        return self.download_extension or self.extensions[0]


_FORMATS = "edge_all.reports.formats"

FORMATS: tuple[ReportFormat, ...] = (
    ReportFormat(
        "pdf",
        "PDF",
        "A4 pages",
        f"{_FORMATS}.pdf_format:report_pdf",
        "application/pdf",
        (".pdf",),
        extra="report",
    ),
    ReportFormat(
        "html",
        "HTML",
        "one page with its pictures",
        f"{_FORMATS}.html_format:report_html",
        "text/html; charset=utf-8",
        (".html", ".htm"),
    ),
    ReportFormat("json", "JSON", "all values", f"{_FORMATS}.json_format:report_json", "application/json", (".json",)),
    ReportFormat(
        "csv", "CSV", "one line per value", f"{_FORMATS}.csv_format:report_csv", "text/csv; charset=utf-8", (".csv",)
    ),
    ReportFormat(
        "fhir",
        "FHIR",
        "a FHIR R4 bundle with a DiagnosticReport, for testing a laboratory system's interface",
        f"{_FORMATS}.fhir_format:report_fhir",
        "application/fhir+json",
        download_extension=".fhir.json",
    ),
)
"""The formats, in the order in which they are listed."""

DEFAULT = "html"
"""Format of a file name without an extension. It needs no extra."""


def find_format(name: str) -> ReportFormat:
    """Return the format of this name.

    Raises:
        UsageError: when there is none.
    """
    for found in FORMATS:
        if found.name == name:
            return found
    raise UsageError(f"unknown report format '{name}'", f"choose one of {', '.join(f.name for f in FORMATS)}")


def format_of_extension(extension: str) -> ReportFormat:
    """Return the format that a file name's extension, such as ".pdf", selects; DEFAULT if it is empty.

    Raises:
        UsageError: when the extension belongs to no format.
    """
    if not extension:
        return find_format(DEFAULT)
    for found in FORMATS:
        if extension.lower() in found.extensions:
            return found
    raise UsageError(
        f"no report format has the extension {extension.lower()}",
        f"use one of {', '.join(e for f in FORMATS for e in f.extensions)}, or choose the format with --format",
    )


def render(contents: ReportContents, name: str) -> bytes:
    """Write a report as a file's content; text is UTF-8.

    Raises:
        UsageError: when the format is unknown.
        EdgeAllError: when a library for the format is missing.
    """
    chosen = find_format(name)
    try:
        writer = pkgutil.resolve_name(chosen.writer) if isinstance(chosen.writer, str) else chosen.writer
        written: str | bytes = writer(contents)
    except ModuleNotFoundError as error:
        if not chosen.extra:
            raise
        raise EdgeAllError(
            f"the format {chosen.title} needs the package {error.name}",
            f"pip install 'edge-all[{chosen.extra}]', or use --format {DEFAULT}",
        ) from error
    return written.encode("utf-8", "backslashreplace") if isinstance(written, str) else written
