"""Rows of a report with a differential, and with the agreement on it."""

from __future__ import annotations

from collections.abc import Iterable

from edge_all.domain.labels import LABELS
from edge_all.i18n.catalog import text
from edge_all.reports.rows import ReportRow
from edge_all.review.agreement import Agreement
from edge_all.review.differential import Differential, Line, Share
from edge_all.review.model_agreement import KindAgreement, ModelAgreement, words_of
from edge_all.text.display_text import shown


def share_row(s: Share, item: str) -> ReportRow:
    """Return a row with a percentage, its interval and the number of cells."""
    note = text("report_note.cells", count=s.count)
    return ReportRow(item, f"{s.percent:.1f}", "%", f"{s.low:.1f}", f"{s.high:.1f}", note)


def differential_rows(d: Differential) -> Iterable[ReportRow]:
    """Yield the rows of a differential: leukocytes, shares of them, cells counted separately or not at all."""
    cells = text("report_unit.cells")
    yield ReportRow(text("report_row.leukocytes"), str(d.leukocytes), cells)
    for line in d.lines:
        yield share_row(line.share, _item(line))
    for row in d.counted_apart:
        per_100 = d.per_100(row.key)
        note = "" if per_100 is None else text("report_note.per_100", count=f"{per_100:.1f}")
        item = text("report_row.counted_apart", labels=text(f"labels.{row.key}"))
        yield ReportRow(item, str(d.count(row.key)), cells, note=note)
    for row in LABELS.not_counted:
        if count := d.count(row.key):
            note = text("report_note.not_counted") if row.by_model else text("report_note.taken_out")
            yield ReportRow(text(f"labels.{row.key}"), str(count), text("report_unit.objects"), note=note)


def _item(line: Line) -> str:
    words = text(line.words)
    return text("report_row.kind", label=text(f"label.{line.label}"), kind=words) if line.is_part else words


def agreement_rows(a: Agreement) -> Iterable[ReportRow]:
    """Yield the agreement of two reviewers on labels, and on kinds if both named some."""
    names = text("report_row.reviewers", first=shown(a.first.name, 80), second=shown(a.second.name, 80))
    yield _kappa(names, a.kappa, text("report_note.same", same=a.same, cells=a.cells))
    if a.kinds is not None:
        note = text("report_note.same_kind", same=a.kinds.same, cells=a.kinds.cells)
        yield _kappa(text("report_row.on_kinds", reviewers=names), a.kinds.kappa, note)


def model_agreement_rows(a: ModelAgreement) -> Iterable[ReportRow]:
    """Yield the agreement of the model with the reviewers: of all kinds, and of each kind with the confusion."""
    yield _agreed(text("report_row.all_kinds"), a.agreed)
    yield _kappa(text("report_row.all_kinds"), a.kappa, "")
    for kind in a.kinds:
        yield _agreed(text(kind.words), kind.agreed, confusion_words(kind))


def confusion_words(kind: KindAgreement) -> str:
    """Return what else reviewers found the cells to be that the model gave this kind or label; empty if nothing."""
    others = [(text(words_of(key)), count) for key, count in kind.reviewed.items() if key != kind.key]
    found = ", ".join(f"{words} {count}" for words, count in others)
    return text("report_note.reviewed_as", found=found) if others else ""


def _agreed(item: str, s: Share, more: str = "") -> ReportRow:
    note = text("report_note.agreed", same=s.count, cells=s.total)
    if more:
        note = f"{note}; {more}"
    if not s.total:
        return ReportRow(item, text("report_value.none"), note=note)
    return ReportRow(item, f"{s.percent:.1f}", "%", f"{s.low:.1f}", f"{s.high:.1f}", note)


def _kappa(item: str, kappa: float | None, note: str) -> ReportRow:
    value = text("report_value.no_kappa") if kappa is None else f"{kappa:.2f}"
    return ReportRow(item, value, text("report_unit.kappa"), note=note)
