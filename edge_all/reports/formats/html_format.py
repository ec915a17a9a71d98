"""Report as one HTML file with embedded crops, without scripts or external requests."""

from __future__ import annotations

import base64
from html import escape

from edge_all.i18n.catalog import text
from edge_all.reports.contents import GalleryCell, ReportContents
from edge_all.reports.rows import ReportRow, ReportSection
from edge_all.reports.sections import report_sections
from edge_all.text.display_text import shown

_STYLE = """
body{font:15px/1.45 sans-serif;color:#222;background:#fff;max-width:60em;margin:2em auto;padding:0 1em}
h1{font-size:1.5em;margin-bottom:.2em}h2{font-size:1.1em;margin:1.6em 0 .3em;border-bottom:1px solid #999}
table{border-collapse:collapse;width:100%;table-layout:fixed}
td,th{text-align:left;vertical-align:top;padding:.15em .8em .15em 0}
th{font-weight:normal;color:#555;width:30%}td.note{color:#555;overflow-wrap:anywhere}td.value{overflow-wrap:anywhere}
.status{display:inline-block;border:2px solid #222;padding:.1em .6em;font-weight:bold}
.warning{border-left:5px solid #d55e00;padding-left:.7em}.notice{color:#555}
.gallery{display:flex;flex-wrap:wrap;gap:12px}figure{margin:0;width:144px}
figure img{width:144px;height:144px;display:block;box-shadow:0 0 0 1px #bbb}
figcaption{font-size:12px;overflow-wrap:anywhere}.bar{width:56px;border-top:4px solid #222;margin:.6em 0 .1em}
@media print{body{margin:0}h2{break-after:avoid}figure{break-inside:avoid}}
"""


def report_html(c: ReportContents) -> str:
    """Return UTF-8 text. Its Content-Security-Policy allows only its own style and the crops."""
    title, research = text("report.title_of", session=c.session.id), escape(text("page.research"))
    status = text("report.final") if c.signed else text("report.preliminary")
    body = [
        f"<h1>{escape(text('report.title'))}</h1>",
        f'<p><span class="status">{escape(status)}</span> <strong>{research}</strong></p>',
    ]
    for section in report_sections(c):
        if section.name == "quality":
            body += _gallery(c)
        body += _section(section)
    return "\n".join(
        [
            "<!DOCTYPE html>",
            f'<html lang="{text("page.language")}"><head><meta charset="utf-8">',
            '<meta http-equiv="Content-Security-Policy" '
            "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">",
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
            *body,
            f'<p class="notice">{research} edge-all {escape(shown(c.session.version, 40))}</p>',
            "</body></html>",
            "",
        ]
    )


def _section(section: ReportSection) -> list[str]:
    kind = "warning" if section.name == "result" else "notice"
    return [
        f"<h2>{escape(section.title)}</h2>",
        *(f'<p class="{kind}">{escape(note)}</p>' for note in section.notes),
        "<table>",
        *(_row(r) for r in section.rows),
        "</table>",
    ]


def _row(r: ReportRow) -> str:
    value = value_in_words(r)
    # bdi: a name that runs from right to left must not reverse the text around it.
    return (
        f'<tr><th scope="row"><bdi>{escape(r.item)}</bdi></th><td class="value"><bdi>{escape(value)}</bdi></td>'
        f'<td class="note"><bdi>{escape(r.note)}</bdi></td></tr>'
    )


def _gallery(c: ReportContents) -> list[str]:
    if not c.gallery:
        return [f"<h2>{escape(text('report.blasts'))}</h2>", f"<p>{escape(text('report.no_blasts'))}</p>"]
    title = text("report.most_suspicious", shown=len(c.gallery), blasts=c.blasts)
    return [
        f"<h2>{escape(title)}</h2>",
        '<div class="gallery">',
        *(_figure(g) for g in c.gallery),
        "</div>",
        f'<div class="bar"></div><p class="notice">{escape(text("report.scale_bar"))}</p>',
    ]


def _figure(g: GalleryCell) -> str:
    picture = f"<div>{escape(text('report.no_crop'))}</div>"
    if g.crop is not None:
        try:
            data = base64.b64encode(g.crop.read_bytes()).decode()
            picture = f'<img alt="{escape(text("report.cell", number=g.number))}" src="data:image/png;base64,{data}">'
        except OSError:
            picture = f"<div>{escape(text('report.unreadable_crop'))}</div>"
    return f"<figure>{picture}<figcaption>{'<br>'.join(map(escape, caption_lines(g)))}</figcaption></figure>"


def value_in_words(r: ReportRow) -> str:
    """Return a row's value with its unit and interval."""
    value = f"{r.value} {r.unit}".strip()
    return text("report.interval", value=value, low=r.low, high=r.high) if r.low else value


def caption_lines(g: GalleryCell) -> list[str]:
    """Return the lines of a crop's caption."""
    lines = [text("report.caption", number=g.number, probability=f"{g.blast_probability:.2f}")]
    if g.verdict is not None:
        label = text(f"label.{g.verdict}")
        lines.append(text("report.caption_verdict", label=label, reviewer=shown(g.reviewer, 40)))
    if g.morphology is None:
        lines.append(text("report.not_measured"))
    else:
        diameter, ratio = f"{g.morphology.cell_diameter_um:.1f}", f"{g.morphology.nucleus_to_cell_area:.2f}"
        lines.append(text("report.caption_size", diameter=diameter, ratio=ratio))
        if g.morphology.cut:
            lines.append(text("report.cut"))
    lines.append(shown(g.frame, 60))
    return lines
