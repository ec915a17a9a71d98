"""Style sheet of the labels, generated from the table of labels, so that a new label needs no other file."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from edge_all.domain.labels import LABELS

PATH = "/static/labels.css"


def label_css() -> str:
    """Return the colors of all labels, for a light and a dark page, and the style of their marks and rings."""
    light = " ".join(f"--{row.key}: {row.colors.light};" for row in LABELS.by_rank)
    dark = " ".join(f"--{row.key}: {row.colors.dark};" for row in LABELS.by_rank)
    lines = [
        "/* Generated from edge_all/domain/labels.py. */",
        f":root {{ {light} }}",
        f"@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}",
    ]
    for row in LABELS.by_rank:
        dashes = f" stroke-dasharray: {row.dashes};" if row.dashes else ""
        lines.append(f"svg.{row.key}, .mark.{row.key} {{ fill: var(--{row.key}); }}")
        lines.append(f".ring.{row.key} {{ stroke: {row.colors.ring};{dashes} }}")
    return "\n".join(lines) + "\n"


def label_style(_: Request) -> Response:
    """Return the style sheet."""
    return Response(label_css(), media_type="text/css")
