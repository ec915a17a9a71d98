"""The comparison as a table, a plot and a page."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edge_all_export.compare.cost import Cost
from edge_all_export.compare.experiment import Candidate, Result
from edge_all_export.models.registry import find_classifier


@dataclass(frozen=True)
class Line:
    """Results of a contestant over its folds: (mean, minimum, maximum) of each figure."""

    candidate: Candidate
    folds: int
    figures: Mapping[tuple[str, str], tuple[float, float, float]]
    unconverged: bool
    cost: Cost


FIGURES = (("auroc", "field"), ("auroc", "segmented"), ("weighted_f1", "field"), ("weighted_f1", "segmented"))
HEAD = ("network", "AUROC, in fields", "AUROC, segmented", "weighted F1, in fields", "weighted F1, segmented",
        "parameters", "M MAdds", "MB", "ms at 1", "ms at 8", "")  # fmt: skip


def lines_of(results: Sequence[Result], costs: Mapping[str, Cost]) -> list[Line]:
    """Return one line per contestant, best mean AUROC first."""
    lines = []
    for candidate in dict.fromkeys(Candidate(r.network, r.pretrained) for r in results):
        own = [r for r in results if (r.network, r.pretrained) == (candidate.network, candidate.pretrained)]
        figures = {}
        for name, cells in FIGURES:
            values = [getattr(r, name) for r in own if r.cells == cells and not np.isnan(getattr(r, name))]
            figures[name, cells] = (float(np.mean(values)), min(values), max(values)) if values else (np.nan,) * 3
        lines.append(Line(candidate, len(own), figures, any(r.unconverged for r in own), costs[candidate.network]))
    return sorted(lines, key=lambda line: -mean_auroc(line))


def mean_auroc(line: Line) -> float:
    """Return the mean AUROC over both kinds of cells."""
    return float(np.nanmean([line.figures["auroc", cells][0] for cells in ("field", "segmented")]))


def _is_proposed(line: Line) -> bool:
    return find_classifier(line.candidate.network).proposed


def cells_of_line(line: Line) -> tuple[str, ...]:
    """Return the cells of a line as text, in the order of HEAD."""
    cost = line.cost
    figures = [f"{m:.3f} ({low:.3f} to {high:.3f})" for m, low, high in (line.figures[f] for f in FIGURES)]
    return (
        line.candidate.name,
        *figures,
        f"{cost.parameters:,}",
        f"{cost.multiply_adds / 1e6:.1f}",
        f"{cost.file_bytes / 1e6:.2f}",
        f"{cost.ms_batch_1:.2f}",
        f"{cost.ms_batch_8:.2f}",
        "unconverged" if line.unconverged else "",
    )


def verdict(lines: Sequence[Line]) -> str:
    """Return a sentence about the rank of ours. A network that was still improving cannot be ranked as the loser."""
    ours = next((line for line in lines if _is_proposed(line)), None)
    others = [line for line in lines if not _is_proposed(line)]
    if ours is None or not others:
        return "ours was not compared with any other network"
    converged = [line for line in others if not line.unconverged]
    open_ones = sorted({line.candidate.name for line in others if line.unconverged})
    words = []
    if converged:
        best = max(converged, key=mean_auroc)
        lead = mean_auroc(ours) - mean_auroc(best)
        share = ours.cost.multiply_adds / best.cost.multiply_adds
        words.append(
            f"ours {'leads' if lead > 0 else 'does not lead'} on mean AUROC, {mean_auroc(ours):.3f} against "
            f"{mean_auroc(best):.3f} of {best.candidate.name}, at {share:.2f} of its multiply-adds"
        )
    if open_ones:
        words.append(f"undecided against {', '.join(open_ones)}, which were still improving when the budget ended")
    return "; ".join(words)


def plot(lines: Sequence[Line]) -> bytes:
    """Plot mean AUROC over multiply-adds; PNG."""
    import io

    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.5, 4.5), dpi=110, layout="constrained")
    for line in lines:
        ours = _is_proposed(line)
        x, y = line.cost.multiply_adds / 1e6, mean_auroc(line)
        face = "none" if line.unconverged else None
        axes.scatter([x], [y], s=60, color="#7a1fa2" if ours else "#555555", facecolors=face)
        axes.annotate(line.candidate.name, (x, y), xytext=(6, 4), textcoords="offset points", fontsize=8)
    axes.set(
        xscale="log",
        xlabel="million multiply-adds per cell",
        ylabel="AUROC on unseen groups, mean of both kinds of cells",
    )
    axes.set_title("open circle: still improving when the budget ended", fontsize=9)
    axes.grid(color="#e6e6e6")
    axes.margins(x=0.2)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    plt.close(figure)
    return buffer.getvalue()


def page(lines: Sequence[Line], budget: str) -> str:
    """Return the HTML page with table and plot."""
    rows = "".join("<tr>" + "".join(f"<td>{html.escape(c)}" for c in cells_of_line(line)) + "</tr>" for line in lines)
    picture = base64.b64encode(plot(lines)).decode()
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Comparison of classifiers</title><style>"
        "body{font:15px/1.5 system-ui;max-width:1150px;margin:2em auto;padding:0 1em}td,th{padding:.2em .6em;"
        "text-align:left;border-bottom:1px solid #eee}</style><h1>Comparison of classifiers</h1>"
        f"<p>{html.escape(budget)}</p><p>{html.escape(verdict(lines))}.</p>"
        f"<table><tr>{''.join(f'<th>{h}' for h in HEAD)}</tr>{rows}</table>"
        f'<img alt="AUROC over multiply-adds" src="data:image/png;base64,{picture}">'
        "<p>Research use only, not a diagnosis.</p></html>\n"
    )
