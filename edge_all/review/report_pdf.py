"""A report as PDF, A4."""

from __future__ import annotations

import time
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

from edge_all.errors import EdgeAllError
from edge_all.review.pdf_fonts import characters_of, fallback_fonts, text_font
from edge_all.review.recorded_morphology import read_crop
from edge_all.review.report_contents import RESEARCH_USE, GalleryCell, ReportContents
from edge_all.review.report_html import caption_lines
from edge_all.review.report_sections import ReportRow, ReportSection, report_sections
from edge_all.review.shown_text import shown

if TYPE_CHECKING:
    from fpdf import FPDF

_MARGIN, _LINE = 15.0, 4.8
_ITEM, _VALUE, _NOTE = 52.0, 62.0, 66.0
_COLUMNS, _SIDE, _GAP, _CAPTION = 5, 33.0, 3.5, 3.6
_PORTRAIT_UM, _BAR_UM = 25.6, 10.0
_GREY, _PALE, _INK, _ORANGE = (95, 95, 95), (190, 190, 190), (25, 25, 25), (213, 94, 0)


def report_pdf(c: ReportContents) -> bytes:
    """The PDF's bytes. Characters that no font of the machine has are written as [U+5F20]: nothing is lost silently.

    Raises EdgeAllError where fpdf2 is not installed.
    """
    try:
        from fpdf import FPDF
    except ModuleNotFoundError as error:
        raise EdgeAllError(
            "a PDF needs the package fpdf2", "pip install 'edge-all[report]', or take --format html"
        ) from error

    sections = report_sections(c)
    captions = [caption_lines(g) for g in c.gallery]
    foot = f"Session {c.session.id}, made {time.strftime('%Y-%m-%d %H:%M', time.localtime(c.made))}. {RESEARCH_USE}"

    class Paper(FPDF):  # type: ignore[misc]
        """Every page says what it is."""

        def footer(self) -> None:
            self.set_y(-12)
            self.set_font(self.font_family, size=7.5)
            self.set_text_color(*_GREY)
            self.cell(150, 4, foot)
            self.cell(0, 4, f"Page {self.page_no()}", align="R")

    paper = Paper(format="A4")
    paper.set_margins(_MARGIN, _MARGIN)
    paper.set_auto_page_break(True, 16)
    paper.set_title(f"Blood smear report, session {c.session.id}")
    paper.set_creator("edge-all")
    paper.set_lang("en")
    paper.set_creation_date(_moment(c.made))
    writer = _Writer(paper, _all_text(sections, captions))
    paper.add_page()
    writer.head(c)
    for section in sections:
        if section.title == "Quality":
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

    def __init__(self, paper: FPDF, text: str) -> None:
        self._paper = paper
        self._known = self._set_fonts(text)
        paper.set_text_color(*_INK)

    def _set_fonts(self, text: str) -> frozenset[int]:
        paper, font = self._paper, text_font()
        if font is None:
            paper.set_font("Helvetica", size=9)
            # What the PDF's own fonts have: Latin-1.
            return frozenset(range(0x20, 0x7F)) | frozenset(range(0xA0, 0x100))
        paper.add_font("text", fname=font)
        known = characters_of(font)
        more = fallback_fonts({ch for ch in text if ord(ch) not in known})
        for i, fallback in enumerate(more):
            paper.add_font(f"fallback{i}", fname=fallback)
            known |= characters_of(fallback)
        paper.set_fallback_fonts([f"fallback{i}" for i in range(len(more))], exact_match=False)
        paper.set_font("text", size=9)
        try:
            # Joins Arabic letters and sets right-to-left runs in order.
            paper.set_text_shaping(True)
        except Exception:  # uharfbuzz is optional: without it such names read letter by letter
            paper.set_text_shaping(False)
        return known

    def _plain(self, text: str) -> str:
        return "".join(c if ord(c) in self._known or c == "\n" else f"[U+{ord(c):04X}]" for c in text)

    def _write(self, width: float, text: str, **options: Any) -> None:
        self._paper.multi_cell(width, _LINE, self._plain(text), new_x="LEFT", new_y="NEXT", align="L", **options)

    def head(self, c: ReportContents) -> None:
        """Title, status, notice."""
        paper = self._paper
        paper.set_font_size(16)
        paper.cell(110, 9, "Blood smear report")
        paper.set_font_size(10)
        status = "FINAL" if c.signed else "PRELIMINARY, not signed"
        paper.cell(0, 9, status, align="C", border=1, new_x="LMARGIN", new_y="NEXT")
        paper.set_font_size(9)
        paper.set_text_color(*_ORANGE)
        paper.cell(0, 6, RESEARCH_USE, new_x="LMARGIN", new_y="NEXT")
        paper.set_text_color(*_INK)

    def section(self, section: ReportSection) -> None:
        """Headline, notes, rows of three columns."""
        paper = self._paper
        self._headline(section.title)
        for note in section.notes:
            paper.set_text_color(*(_ORANGE if section.title == "Result" else _GREY))
            self._write(0, ("! " if section.title == "Result" else "") + note)
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
        value = f"{row.value} {row.unit}".strip()
        if row.low:
            value += f" (95 %: {row.low} to {row.high})"
        # A long text without figures takes both columns.
        wide = _VALUE + _NOTE if not row.note else _VALUE
        columns = [(_ITEM, row.item, _GREY), (wide, value, _INK)]
        if row.note:
            columns.append((_NOTE, row.note, _GREY))
        height = max(self._height(w - 2, text) for w, text, _ in columns)
        if paper.get_y() + height > paper.h - 18:
            paper.add_page()
        top, left = paper.get_y(), _MARGIN
        for width, text, colour in columns:
            paper.set_xy(left, top)
            paper.set_text_color(*colour)
            self._write(width - 2, text)
            left += width
        paper.set_xy(_MARGIN, top + height)

    def _height(self, width: float, text: str) -> float:
        if not text:
            return _LINE
        found = self._paper.multi_cell(width, _LINE, self._plain(text), dry_run=True, output="HEIGHT", align="L")
        return float(found)

    def gallery(self, c: ReportContents, captions: list[list[str]]) -> None:
        """Crops in rows of five, at equal scale, with a bar."""
        paper = self._paper
        if not c.gallery:
            self._headline("Blasts")
            self._write(0, "No cell counts as a blast.")
            paper.set_x(_MARGIN)
            return
        self._headline(f"Blasts: the {len(c.gallery)} most suspicious of {c.blasts}")
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
        paper.cell(0, 4, "10 um; every crop is 25.6 um wide", new_x="LMARGIN", new_y="NEXT")
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
            paper.image(stored, left, top, _SIDE, _SIDE, alt_text=f"cell {cell.number}")
            # Beyond the field's edge a crop is white: its frame shows that it has the size of the others.
            paper.set_draw_color(*_PALE)
            paper.rect(left, top, _SIDE, _SIDE)
            paper.set_draw_color(*_INK)
        paper.set_font_size(6.8)
        for i, line in enumerate(lines):
            paper.set_xy(left, top + _SIDE + 0.6 + i * _CAPTION)
            paper.cell(_SIDE, _CAPTION, self._fitted(self._plain(line)))
        paper.set_font_size(9)

    def _fitted(self, text: str) -> str:
        """Shortened in the middle to a crop's width: a frame's name says most at its end."""
        paper = self._paper
        keep = len(text)
        shortened = text
        while paper.get_string_width(shortened) > _SIDE and keep > 4:
            keep -= 1
            shortened = f"{text[: keep // 3]}...{text[-(keep - keep // 3) :]}"
        return shortened

    def signature_line(self, c: ReportContents) -> None:
        """A line to sign on paper."""
        paper = self._paper
        if paper.get_y() > paper.h - 40:
            paper.add_page()
        paper.ln(14)
        y = paper.get_y()
        for left, text in ((_MARGIN, "Signature"), (_MARGIN + 95, "Date")):
            paper.line(left, y, left + 80, y)
            paper.set_xy(left, y + 0.5)
            paper.set_font_size(8)
            paper.cell(80, 4, text)
        name = shown(c.approval.reviewer, 80) if c.approval is not None else ""
        if name:
            paper.set_xy(_MARGIN + 20, y + 0.5)
            paper.cell(60, 4, self._plain(name))
