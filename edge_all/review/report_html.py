"""A report as one HTML file: no script, no request to anywhere, the crops within it."""

from __future__ import annotations

import base64
from html import escape

from edge_all.review.report_contents import RESEARCH_USE, GalleryCell, ReportContents
from edge_all.review.report_sections import ReportRow, ReportSection, report_sections
from edge_all.review.shown_text import shown

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
    """UTF-8 text. A Content-Security-Policy within allows its own style and the crops, nothing else."""
    title = f"Blood smear report, session {c.session.id}"
    status = "FINAL" if c.signed else "PRELIMINARY"
    body = [
        "<h1>Blood smear report</h1>",
        f'<p><span class="status">{status}</span> <strong>{RESEARCH_USE}</strong></p>',
    ]
    for section in report_sections(c):
        if section.title == "Quality":
            body += _gallery(c)
        body += _section(section)
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta http-equiv="Content-Security-Policy" '
            "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">",
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
            *body,
            f'<p class="notice">{RESEARCH_USE} edge-all {escape(shown(c.session.version, 40))}</p>',
            "</body></html>",
            "",
        ]
    )


def _section(section: ReportSection) -> list[str]:
    kind = "warning" if section.title == "Result" else "notice"
    return [
        f"<h2>{escape(section.title)}</h2>",
        *(f'<p class="{kind}">{escape(note)}</p>' for note in section.notes),
        "<table>",
        *(_row(r) for r in section.rows),
        "</table>",
    ]


def _row(r: ReportRow) -> str:
    value = f"{r.value} {r.unit}".strip()
    if r.low:
        value += f" (95 %: {r.low} to {r.high})"
    # bdi: a name that runs from right to left must not turn its neighbours around.
    return (
        f'<tr><th scope="row"><bdi>{escape(r.item)}</bdi></th><td class="value"><bdi>{escape(value)}</bdi></td>'
        f'<td class="note"><bdi>{escape(r.note)}</bdi></td></tr>'
    )


def _gallery(c: ReportContents) -> list[str]:
    if not c.gallery:
        return ["<h2>Blasts</h2>", "<p>No cell counts as a blast.</p>"]
    return [
        f"<h2>Blasts: the {len(c.gallery)} most suspicious of {c.blasts}</h2>",
        '<div class="gallery">',
        *(_figure(g) for g in c.gallery),
        "</div>",
        '<div class="bar"></div><p class="notice">10 um; every crop is 25.6 um wide</p>',
    ]


def _figure(g: GalleryCell) -> str:
    picture = "<div>no crop was kept</div>"
    if g.crop is not None:
        try:
            data = base64.b64encode(g.crop.read_bytes()).decode()
            picture = f'<img alt="cell {g.number}" src="data:image/png;base64,{data}">'
        except OSError:
            picture = "<div>the crop cannot be read</div>"
    return f"<figure>{picture}<figcaption>{'<br>'.join(map(escape, caption_lines(g)))}</figcaption></figure>"


def caption_lines(g: GalleryCell) -> list[str]:
    """What stands under a crop."""
    lines = [f"cell {g.number}: {g.blast_probability:.2f}"]
    if g.verdict is not None:
        lines.append(f"{g.verdict} ({shown(g.reviewer, 40)})")
    if g.morphology is None:
        lines.append("not measured")
    else:
        m = g.morphology
        lines.append(f"{m.cell_diameter_um:.1f} um, N:C {m.nucleus_to_cell_area:.2f}")
    lines.append(shown(g.frame, 60))
    return lines
