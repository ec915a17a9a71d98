"""Rows about classifying blasts, from committed out-of-fold logits."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from edge_all_export.models.thresholds import Decision, choose_decision

from benchmarks.board import Row

FOLDS = ("out-AC", "out-DG", "out-BE")
HEALTHY = ("C", "E", "G")
MATURE = ("basophil", "eosinophil", "lymphocyte", "monocyte", "neutrophil")


def auroc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Return the area under the ROC curve: the share of pairs in the right order (Mann and Whitney)."""
    both = np.concatenate([positive, negative])
    order = np.argsort(both, kind="stable")
    rank = np.empty(len(both))
    rank[order] = np.arange(1, len(both) + 1)
    for value in np.unique(both):  # ties share their rank
        same = both == value
        rank[same] = rank[same].mean()
    n, m = len(positive), len(negative)
    return float((rank[:n].sum() - n * (n + 1) / 2) / (n * m))


class Cells:
    """Rows of cells.csv, by fold."""

    def __init__(self, path: Path) -> None:
        with path.open(newline="") as file:
            self.rows = list(csv.DictReader(file))

    def of(self, fold: str, scored: bool = True) -> list[dict[str, str]]:
        """Return a fold's expert-labeled blasts and the normal cells of healthy series (or all its rows)."""
        return [
            r
            for r in self.rows
            if r["fold"] == fold
            and (not scored or r["kind"] == "blast" or (r["kind"] == "normal" and r["group"] in HEALTHY))
        ]


def arrays(rows: Sequence[dict[str, str]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return blast logit, unfamiliarity 0 to 1, and whether each cell is a blast."""
    logit = np.array([float(r["blast_logit"]) for r in rows])
    unfamiliar = 1 / (1 + np.exp(-np.array([float(r["unfamiliar_logit"]) for r in rows])))
    return logit, unfamiliar, np.array([r["kind"] == "blast" for r in rows])


def decided_without(cells: Cells, left_out: str | None) -> Decision:
    """Choose thresholds from the other folds' unseen cells only."""
    parts = [arrays(cells.of(f)) for f in FOLDS if f != left_out]
    logit, unfamiliar, blast = (np.concatenate(a) for a in zip(*parts, strict=True))
    return choose_decision(logit, unfamiliar, blast)


def series_rows(cells: Cells) -> list[Row]:
    """Leave two series out, pooled, each fold shown."""
    logits, blasts, labels, each = [], [], [], []
    for fold in FOLDS:
        logit, unfamiliar, blast = arrays(cells.of(fold))
        label = decided_without(cells, fold).labels(logit, unfamiliar)
        logits.append(logit)
        blasts.append(blast)
        labels.append(label)
        each.append(
            (
                fold[4:],
                auroc(logit[blast], logit[~blast]),
                float((label[blast] != "normal").mean()),
                float((label[~blast] == "blast").mean()),
                float((label == "unidentified").mean()),
            )
        )
    logit, blast, label = np.concatenate(logits), np.concatenate(blasts), np.concatenate(labels)
    area = auroc(logit[blast], logit[~blast])
    kept = float((label[blast] != "normal").mean())
    false = float((label[~blast] == "blast").mean())
    unsure = float((label == "unidentified").mean())
    n = f"{blast.sum()} blasts, {(~blast).sum()} normal"

    def folds(i: int) -> str:
        return ", ".join(f"{e[0]} {e[i]:.3f}" for e in each)

    where = "`allidb1`, series left out, pooled"
    return [
        Row(f"blast or normal, {where} ({n})", "AUROC >= 0.95", f"{area:.4f}", folds(1), area >= 0.95),
        Row(f"blasts labeled blast or unidentified, {where}", ">= 0.97", f"{kept:.4f}", folds(2), kept >= 0.97),
        Row(
            f"normal cells of healthy series labeled blast, {where}", "<= 0.05", f"{false:.3f}", folds(3), false <= 0.05
        ),
        Row(f"unidentified, {where}", "<= 0.10", f"{unsure:.3f}", folds(4), unsure <= 0.10),
    ]


def pbc_rows(cells: Cells) -> list[Row]:
    """PBC held out of training as a source; thresholds from ALL-IDB1's folds."""
    decision = decided_without(cells, None)
    rows = cells.of("out-pbc", scored=False)
    logit, unfamiliar, _ = arrays(rows)
    label = decision.labels(logit, unfamiliar)
    kind = np.array([r["detail"] for r in rows])
    share = {k: float((label[kind == k] == "blast").mean()) for k in sorted(set(kind))}
    unsure = {k: float((label[kind == k] == "unidentified").mean()) for k in sorted(set(kind))}
    worst = max(share[k] for k in MATURE)
    others = [k for k in share if k not in MATURE]
    return [
        Row(
            "mature kinds of `pbc` labeled blast, source held out",
            "each <= 0.03",
            f"worst {worst:.2f}",
            ", ".join(f"{k} {share[k]:.2f} (unidentified {unsure[k]:.2f})" for k in MATURE),
            worst <= 0.03,
        ),
        Row(
            "erythroblasts, immature granulocytes of `pbc` labeled blast",
            "-",
            ", ".join(f"{k} {share[k]:.2f} (unidentified {unsure[k]:.2f})" for k in others),
            "",
            None,
        ),
    ]


def unfamiliar_rows(cells: Cells) -> list[Row]:
    """Objects that are not leukocytes against leukocytes, from groups never seen in training."""
    outlier: list[float] = []
    inside: list[float] = []
    per: dict[str, list[float]] = {}
    for fold in (*FOLDS, "out-pbc"):
        for r in cells.of(fold, scored=False):
            value = float(r["unfamiliar_logit"])
            if r["kind"] in ("platelet", "clump", "debris", "erythroblast", "smudge", "background"):
                outlier.append(value)
                per.setdefault(r["kind"], []).append(value)
            elif r["kind"] in ("blast", "normal"):
                inside.append(value)
    within = np.array(inside)
    each = {k: auroc(np.array(v), within) for k, v in sorted(per.items())}
    area = auroc(np.array(outlier), within)
    spread = ", ".join(f"{k} {a:.3f} (n {len(per[k])})" for k, a in each.items())
    tested = [each[k] for k in ("platelet", "erythroblast") if k in each]
    return [
        Row(
            "unfamiliar against leukocytes, real, groups held out",
            "AUROC >= 0.90 for each",
            f"pooled {area:.3f}",
            spread,
            min(tested) >= 0.90,
        )
    ]


def crossing_rows(cells: Cells) -> list[Row]:
    """Report a network trained on simulated cells tested on real ones, and the reverse, without a target."""
    rows = []
    for fold, name in (("simulator-only", "simulator -> real (`allidb1`)"), ("real-only", "real -> simulator")):
        part = [r for r in cells.of(fold, scored=False) if r["kind"] in ("blast", "normal")]
        if part:
            logit, _, blast = arrays(part)
            rows.append(
                Row(
                    f"blast or normal, {name}",
                    "-",
                    f"AUROC {auroc(logit[blast], logit[~blast]):.3f}",
                    f"n {len(part)}",
                    None,
                )
            )
    return rows
