"""Rows and sections of a report."""

from __future__ import annotations

from dataclasses import dataclass

from edge_all.i18n.catalog import text


@dataclass(frozen=True)
class ReportRow:
    """One line. low, high: 95 % interval in the unit of the value. All text is safe to display and not markup."""

    item: str
    value: str
    unit: str = ""
    low: str = ""
    high: str = ""
    note: str = ""


@dataclass(frozen=True)
class ReportSection:
    """Heading with its rows. name: key of the title in the catalog's group report_section."""

    name: str
    rows: tuple[ReportRow, ...]
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Heading in the language of the catalog."""
        return text(f"report_section.{self.name}")
