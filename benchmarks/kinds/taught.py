"""Rows about a bench that learns from reviewed cells, on a source that was left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from edge_all_export.evaluate.bench_calibration import CELLS, SMEARS, Drawn, drawn, read_features
from edge_all_export.evaluate.kind_predictions import KindPredictions, decide_without

from benchmarks.board import Row

DRAWS = 20


def taught_rows(predictions: KindPredictions, features: Path) -> list[Row]:
    """Review some smears of DeepAPL drawn at random, adapt, and test on all others; over some draws."""
    made = json.loads(features.with_name("kinds.json").read_text())
    with np.load(features) as kept:
        if any(str(kept[name]) != made[name] for name in ("recipe_sha256", "data_sha256")):
            reason = "the features are of another network: python -m edge_all_export.release.kind_features"
            return [Row(f"with {CELLS} reviewed cells of {SMEARS} smears", "-", "not measured", reason, False)]
    return rows_of(list(drawn(read_features(features), decide_without(predictions, ("deepapl",)), DRAWS)))


def rows_of(found: list[Drawn]) -> list[Row]:
    """Rows about the results of the draws."""
    where = f"with {CELLS} reviewed cells of {SMEARS} smears, `deepapl` left out, the other smears"
    refused = sum(bool(d.refused) for d in found)
    rows = []
    for what, unit, target, values in (
        ("blast against lymphocytes", "AUROC ", 0.95, [d.lymphocytes for d in found]),
        ("likeliest kind right", "", 0.88, [d.kinds for d in found]),
    ):
        middle, (low, high) = float(np.median(values)), np.quantile(values, [0.025, 0.975])
        spread = f"median of {len(found)} draws of smears, 95 % of them {low:.3f} to {high:.3f}; {refused} refused"
        rows.append(Row(f"{what}, {where}", f"{unit}>= {target:g}", f"{middle:.3f}", spread, middle >= target))
    costlier, missing = (
        [d for d in found if d.after.cost > d.before.cost],
        [d for d in found if d.after.missed > d.before.missed],
    )
    worse = [d for d in found if d in costlier or d in missing]
    before, after = (
        ", ".join(f"{name} {np.median([getattr(counts, name) for counts in part]):.0f}" for name in ("missed", "false"))
        + f", wrong {np.median([counts.wrong for counts in part]):.0f}"
        for part in ([d.before for d in found], [d.after for d in found])
    )
    rows.append(
        Row(
            f"adaptations that miss more blasts or make worse errors, {where}",
            "none",
            f"{len(worse)} of {len(found)}",
            f"{len(missing)} miss more blasts, {len(costlier)} make worse errors; "
            f"median: {before} before, {after} after",
            not worse,
        )
    )
    return rows
