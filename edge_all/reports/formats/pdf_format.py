"""Report as PDF, A4."""

from __future__ import annotations

import time
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

from edge_all.i18n.catalog import text
from edge_all.reports.contents import GalleryCell, ReportContents
from edge_all.reports.formats.html_format import caption_lines, value_in_words
from edge_all.reports.formats.pdf_fonts import characters_of, fallback_fonts, text_font
from edge_all.reports.morphology import read_crop
from edge_all.reports.rows import ReportRow, ReportSection
from edge_all.reports.sections import report_sections
from edge_all.text.display_text import shown

if TYPE_CHECKING:
    from fpdf import FPDF

_MARGIN, _LINE = 15.0, 4.8
_ITEM, _VALUE, _NOTE = 52.0, 62.0, 66.0
_COLUMNS, _SIDE, _GAP, _CAPTION = 5, 33.0, 3.5, 3.6
_PORTRAIT_UM, _BAR_UM = 25.6, 10.0
_GRAY, _PALE, _INK, _ORANGE = (95, 95, 95), (190, 190, 190), (25, 25, 25), (213, 94, 0)


def report_pdf(c: ReportContents) -> bytes:
    """Return the PDF. Characters missing from all fonts of the machine are written as [U+5F20], so none is lost.

    Raises:
        ModuleNotFoundError: when fpdf2 is not installed.
    """
    from fpdf import FPDF

    sections = report_sections(c)
    captions = [caption_lines(g) for g in c.gallery]
    made = time.strftime("%Y-%m-%d %H:%M", time.localtime(c.made))
    foot = f"{text('report.foot', session=c.session.id, time=made)} {text('page.research')}"

    class Paper(FPDF):  # type: ignore[misc]
        """Pages with a footer that identifies the report."""

        def footer(self) -> None:
            self.set_y(-12)
            self.set_font(self.font_family, size=7.5)
            self.set_text_color(*_GRAY)
            self.cell(150, 4, foot)
            self.cell(0, 4, text("report.page", page=self.page_no()), align="R")

    paper = Paper(format="A4")
    paper.set_margins(_MARGIN, _MARGIN)
    paper.set_auto_page_break(True, 16)
    paper.set_title(text("report.title_of", session=c.session.id))
    paper.set_creator("edge-all")
    paper.set_lang(text("page.language"))
    paper.set_creation_date(_moment(c.made))
    writer = _Writer(paper, _all_text(sections, captions))
    paper.add_page()
    writer.head(c)
    for section in sections:
        if section.name == "quality":
            writer.gallery(c, captions)
        writer.section(section)
    writer.signature_line(c)
    return bytes(paper.output())


def _moment(seconds: float) -> Any:
    from datetime import datetime, timezone

    return datetime.fromtimestamp(seconds, timezone.utc)


def _all_text(sections: Iterable[ReportSection], captions: Iterable[list[str]]) -> str:
    parts: list[str] = []
    for section in sections:
        parts += [section.title, *section.notes]
        for r in section.rows:
            parts += [r.item, r.value, r.unit, r.note]
    for lines in captions:
        parts += lines
    return "".join(parts)


class _Writer:
    """Puts sections on the paper."""

    def __init__(self, paper: FPDF, written: str) -> None:
        self._paper = paper
        self._known = self._set_fonts(written)
        paper.set_text_color(*_INK)

    def _set_fonts(self, written: str) -> frozenset[int]:
        paper, font = self._paper, text_font()
        if font is None:
            paper.set_font("Helvetica", size=9)
            # The built-in PDF fonts cover Latin-1 only.
            return frozenset(range(0x20, 0x7F)) | frozenset(range(0xA0, 0x100))
        paper.add_font("text", fname=font)
        known = characters_of(font)
        more = fallback_fonts({ch for ch in written if ord(ch) not in known})
        for i, fallback in enumerate(more):
            paper.add_font(f"fallback{i}", fname=fallback)
            known |= characters_of(fallback)
        paper.set_fallback_fonts([f"fallback{i}" for i in range(len(more))], exact_match=False)
        paper.set_font("text", size=9)
        try:
            # Joins Arabic letters and sets right-to-left runs in order.
            paper.set_text_shaping(True)
        except Exception:  # uharfbuzz is optional; without it, letters of such names are not joined
            paper.set_text_shaping(False)
        return known

    def _plain(self, words: str) -> str:
        return "".join(c if ord(c) in self._known or c == "\n" else f"[U+{ord(c):04X}]" for c in words)

    def _write(self, width: float, words: str, **options: Any) -> None:
        self._paper.multi_cell(width, _LINE, self._plain(words), new_x="LEFT", new_y="NEXT", align="L", **options)

    def head(self, c: ReportContents) -> None:
        """Title, status, notice."""
        paper = self._paper
        paper.set_font_size(16)
        paper.cell(110, 9, text("report.title"))
        paper.set_font_size(10)
        status = text("report.final") if c.signed else text("report.not_signed")
        paper.cell(0, 9, status, align="C", border=1, new_x="LMARGIN", new_y="NEXT")
        paper.set_font_size(9)
        paper.set_text_color(*_ORANGE)
        paper.cell(0, 6, text("page.research"), new_x="LMARGIN", new_y="NEXT")
        paper.set_text_color(*_INK)

    def section(self, section: ReportSection) -> None:
        """Headline, notes, rows of three columns."""
        paper = self._paper
        self._headline(section.title)
        for note in section.notes:
            paper.set_text_color(*(_ORANGE if section.name == "result" else _GRAY))
            self._write(0, ("! " if section.name == "result" else "") + note)
            paper.set_x(_MARGIN)
        for row in section.rows:
            self._row(row)
        paper.set_text_color(*_INK)

    def _headline(self, title: str) -> None:
        paper = self._paper
        if paper.get_y() > paper.h - 45:
            paper.add_page()
        paper.ln(3)
        paper.set_font_size(11)
        paper.set_text_color(*_INK)
        paper.cell(0, 6, self._plain(title), border="B", new_x="LMARGIN", new_y="NEXT")
        paper.ln(1)
        paper.set_font_size(9)

    def _row(self, row: ReportRow) -> None:
        paper = self._paper
        # Text without a note uses both columns.
        wide = _VALUE + _NOTE if not row.note else _VALUE
        columns = [(_ITEM, row.item, _GRAY), (wide, value_in_words(row), _INK)]
        if row.note:
            columns.append((_NOTE, row.note, _GRAY))
        height = max(self._height(w - 2, words) for w, words, _ in columns)
        if paper.get_y() + height > paper.h - 18:
            paper.add_page()
        top, left = paper.get_y(), _MARGIN
        for width, words, color in columns:
            paper.set_xy(left, top)
            paper.set_text_color(*color)
            self._write(width - 2, words)
            left += width
        paper.set_xy(_MARGIN, top + height)

    def _height(self, width: float, words: str) -> float:
        if not words:
            return _LINE
        found = self._paper.multi_cell(width, _LINE, self._plain(words), dry_run=True, output="HEIGHT", align="L")
        return float(found)

    def gallery(self, c: ReportContents, captions: list[list[str]]) -> None:
        """Crops in rows of five, at equal scale, with a bar."""
        paper = self._paper
        if not c.gallery:
            self._headline(text("report.blasts"))
            self._write(0, text("report.no_blasts"))
            paper.set_x(_MARGIN)
            return
        self._headline(text("report.most_suspicious", shown=len(c.gallery), blasts=c.blasts))
        for start in range(0, len(c.gallery), _COLUMNS):
            row = list(zip(c.gallery, captions, strict=True))[start : start + _COLUMNS]
            height = _SIDE + 2 + _CAPTION * max(len(lines) for _, lines in row)
            if paper.get_y() + height > paper.h - 18:
                paper.add_page()
            top = paper.get_y() + 1
            for i, (cell, lines) in enumerate(row):
                self._cell(cell, lines, _MARGIN + i * (_SIDE + _GAP), top)
            paper.set_xy(_MARGIN, top + height)
        bar = _SIDE * _BAR_UM / _PORTRAIT_UM
        paper.set_fill_color(*_INK)
        paper.rect(_MARGIN, paper.get_y() + 1.6, bar, 0.8, style="F")
        paper.set_xy(_MARGIN + bar + 2, paper.get_y())
        paper.set_font_size(8)
        paper.cell(0, 4, text("report.scale_bar"), new_x="LMARGIN", new_y="NEXT")
        paper.set_font_size(9)

    def _cell(self, cell: GalleryCell, lines: list[str], left: float, top: float) -> None:
        from PIL import Image as Picture

        paper = self._paper
        crop = None if cell.crop is None else read_crop(cell.crop)
        if crop is None:
            paper.rect(left, top, _SIDE, _SIDE)
        else:
            stored = BytesIO()
            Picture.fromarray(crop).save(stored, "JPEG", quality=92)
            paper.image(stored, left, top, _SIDE, _SIDE, alt_text=text("report.cell", number=cell.number))
            # A crop is white beyond the field's edge, so a border shows that it has the same size as the others.
            paper.set_draw_color(*_PALE)
            paper.rect(left, top, _SIDE, _SIDE)
            paper.set_draw_color(*_INK)
        paper.set_font_size(6.8)
        for i, line in enumerate(lines):
            paper.set_xy(left, top + _SIDE + 0.6 + i * _CAPTION)
            paper.cell(_SIDE, _CAPTION, self._fitted(self._plain(line)))
        paper.set_font_size(9)

    def _fitted(self, words: str) -> str:
        """Shorten words in the middle to a crop's width, because the end of a frame's name identifies it."""
        paper = self._paper
        keep = len(words)
        shortened = words
        while paper.get_string_width(shortened) > _SIDE and keep > 4:
            keep -= 1
            shortened = f"{words[: keep // 3]}...{words[-(keep - keep // 3) :]}"
        return shortened

    def signature_line(self, c: ReportContents) -> None:
        """Draw a line to sign on paper."""
        paper = self._paper
        if paper.get_y() > paper.h - 40:
            paper.add_page()
        paper.ln(14)
        y = paper.get_y()
        for left, what in ((_MARGIN, text("report.signature")), (_MARGIN + 95, text("report.date"))):
            paper.line(left, y, left + 80, y)
            paper.set_xy(left, y + 0.5)
            paper.set_font_size(8)
            paper.cell(80, 4, self._plain(what))
        name = shown(c.approval.reviewer, 80) if c.approval is not None else ""
        if name:
            paper.set_xy(_MARGIN + 20, y + 0.5)
            paper.cell(60, 4, self._plain(name))
