"""Rows about labels and kinds as the device gives them, on sources and patients that no network had seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge_all_export.data.kinds import MATURE
from edge_all_export.evaluate.kind_predictions import (
    NAMED,
    KindPredictions,
    kind_share,
    kinds_right,
    label_shares,
)

from benchmarks.board import Row
from benchmarks.kinds.left_out import in_groups, whole, whole_sources
from benchmarks.kinds.spread import in_words, interval


def kind_rows(predictions: KindPredictions) -> list[Row]:
    """Shares of cells whose kind is right as the device shows it; a cell in doubt is not right."""
    parts = (
        ("`pbc` + `pbc_kinds` left out", whole(predictions, "pbc", "pbc_kinds"), 0.88),
        ("`lisc` left out", whole(predictions, "lisc"), 0.85),
        ("`jtsc/tecom` left out", whole(predictions, "jtsc_tecom"), 0.80),
        ("`deepapl` left out", whole(predictions, "deepapl"), 0.80),
        ("`deepapl`, patients left out, pooled", in_groups(predictions, "deepapl"), 0.88),
    )
    rows = []
    for where, part, target in parts:
        share = kind_share(part.cells, part.decided)
        by_kind = {k: kind_share(part.cells, part.decided, (k,)) for k in NAMED}
        spread = [
            in_words(part, share.among),
            f"likeliest kind right {kinds_right(part.cells, NAMED, part.decision):.3f}, of five kinds "
            f"{kinds_right(part.cells, MATURE, part.decision):.3f}",
            ", ".join(f"{k} {s.value:.2f}" for k, s in by_kind.items() if s.of.any()),
        ]
        what = f"kinds right, {where} ({share.of.sum()} cells)"
        rows.append(Row(what, f">= {target:g}", f"{share.value:.3f}", "; ".join(spread), share.value >= target))
    return rows


_LEAST_CELLS = 20
"""Fewer cells of a source do not decide."""


@dataclass(frozen=True)
class _Wanted:
    what: str
    target: float
    at_least: bool
    source: str | None = None
    """Source that decides; None for the worst one with enough cells."""


_WANTED: Mapping[str, _Wanted] = {
    "unidentified": _Wanted("leukocytes called unidentified", 0.10, False),
    "blasts flagged": _Wanted("blasts called blast or unidentified", 0.95, True),
    "normal called blast": _Wanted("normal leukocytes called blast", 0.03, False),
    "smudges right": _Wanted("smudges called smudge", 0.70, True, "deepapl"),
    "artifacts right": _Wanted("platelets, stain and background called artifact", 0.95, True),
    "erythroblasts not leukocyte": _Wanted("erythroblasts not called a leukocyte", 0.85, True),
}
"""By name in label_shares."""


def label_rows(predictions: KindPredictions) -> list[Row]:
    """Shares of labels on each source left out. The worst source decides, if none is named."""
    parts = whole_sources(predictions)
    shares = {source: label_shares(part.cells, part.decided) for source, part in parts.items()}
    rows = []
    for name, wanted in _WANTED.items():
        value = {source: s[name].value for source, s in shares.items() if s[name].of.any()}
        many = [s for s in value if shares[s][name].of.sum() >= _LEAST_CELLS] or list(value)
        worst = (min if wanted.at_least else max)(many, key=value.__getitem__)
        source = wanted.source or worst
        spread = []
        for other in value:
            low, high = interval(parts[other], shares[other][name].among)
            spread.append(f"{other} {value[other]:.3f} ({low:.3f} to {high:.3f}, n {shares[other][name].of.sum()})")
        rows.append(
            Row(
                f"{wanted.what}, " + (f"`{source}` left out" if wanted.source else "each source left out"),
                f"{'>=' if wanted.at_least else '<='} {wanted.target:g}",
                f"{value[source]:.3f}" + ("" if wanted.source else f" (worst: `{source}`)"),
                ", ".join(spread),
                value[source] >= wanted.target if wanted.at_least else value[source] <= wanted.target,
            )
        )
    return rows
