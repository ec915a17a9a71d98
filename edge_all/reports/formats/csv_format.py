"""Report as CSV, with one line per value."""

from __future__ import annotations

import csv
import io

from edge_all.cells.morphology.measurements import UNITS
from edge_all.i18n.catalog import text
from edge_all.reports.contents import ReportContents
from edge_all.reports.sections import report_sections
from edge_all.text.display_text import shown

COLUMNS = ("section", "item", "value", "unit", "low_95", "high_95", "note")
_FORMULA = ("=", "+", "-", "@")


def report_csv(c: ReportContents) -> str:
    """Return UTF-8 text with COLUMNS as its header. Text that looks like a formula gets an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for section in report_sections(c):
        for r in section.rows:
            writer.writerow([section.title, *map(_text, (r.item, r.value, r.unit, r.low, r.high, r.note))])
        for note in section.notes:
            writer.writerow([section.title, "note", _text(note), "", "", "", ""])
    for cell in c.gallery:
        title = f"Blast {cell.number}"
        writer.writerow(
            [
                title,
                "blast probability",
                f"{cell.blast_probability:.3f}",
                "probability",
                "",
                "",
                _text(shown(cell.frame)),
            ]
        )
        if cell.morphology is not None:
            for name, value in cell.morphology.as_dict().items():
                writer.writerow([title, name, "" if value is None else value, UNITS[name], "", "", ""])
    writer.writerow(["", "note", text("page.research"), "", "", "", ""])
    return out.getvalue()


def _text(value: str) -> str:
    if value.startswith(_FORMULA):
        try:
            float(value)
        except ValueError:
            return "'" + value
    return value
