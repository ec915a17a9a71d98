"""The parity report as an HTML page."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_all_export.models.checkpoint import Checkpoint
    from edge_all_export.onnx_export.parity import Parity


def parity_page(checkpoint: Checkpoint, report: Sequence[Parity]) -> str:
    """Return the parity report as a self-contained HTML page."""
    title = f"Parity of {checkpoint.architecture} {checkpoint.recipe['version']}"
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        f"<title>{html.escape(title)}</title><style>body{{font:15px/1.5 system-ui;max-width:900px;margin:2em auto}}"
        "td,th{padding:.2em .8em;text-align:left;border-bottom:1px solid #eee}</style>",
        f"<h1>{html.escape(title)}</h1><p>Each file is compared with the float file on cells or fields of groups that "
        "the compared networks had not seen. Research use only, not a diagnosis.</p>",
    ]
    for p in report:
        rows = "".join(
            f"<tr><td>{html.escape(c.name)}<td>{c.before:.4f}<td>{c.after:.4f}<td>{html.escape(c.allowed)}"
            f"<td>{'passed' if c.passed else 'FAILED'}</tr>"
            for c in p.checks
        )
        kept = ", ".join(map(html.escape, p.float_layers)) or "none"
        parts.append(
            f"<h2>{html.escape(p.precision)}</h2><p>Largest difference over the self-check batch "
            f"{p.largest_difference:.4f}. Layers left in float: {kept}."
            f"{' Retrained with quantization.' if p.trained_again else ''}</p>"
        )
        if rows:
            parts.append(f"<table><tr><th>what<th>float<th>this file<th>allowed<th></tr>{rows}</table>")
        if p.errors:
            listed = "".join(
                f"<tr><td>{html.escape(n)}<td>{e:.5f}</tr>" for n, e in sorted(p.errors.items(), key=lambda i: -i[1])
            )
            parts.append(f"<details><summary>Each layer alone in INT8</summary><table>{listed}</table></details>")
    return "\n".join(parts) + "\n</html>\n"
