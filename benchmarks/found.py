"""Rows about detecting leukocytes, from committed out-of-fold detections and the data's labels."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.board import Row
from edge_all.domain.statistics import wilson_interval

Found = tuple[float, float, float, bool]
"""x, y, score, smudge."""
Label = tuple[float, float, float]
"""x, y, radius within which a detection counts as this object."""


def read_detections(path: Path, fold: str, threshold: float) -> dict[str, list[Found]]:
    """Read the detections of one fold, by file."""
    found: dict[str, list[Found]] = defaultdict(list)
    with path.open(newline="") as file:
        for r in csv.DictReader(file):
            if r["fold"] == fold and float(r["score"]) >= threshold:
                found[r["file"]].append((float(r["x_px"]), float(r["y_px"]), float(r["score"]), r["smudge"] == "1"))
    return found


def match(found: Sequence[Found], wanted: Sequence[Label], allowed: Sequence[Label]) -> tuple[int, int]:
    """Return how many expected objects were hit by a leukocyte detection, one for one, and how many hit nothing.

    A smudge is not a leukocyte, so it hits nothing and is not false.
    """
    free = [f for f in found if not f[3]]
    hits = 0
    for x, y, radius in wanted:
        near = [(np.hypot(f[0] - x, f[1] - y), i) for i, f in enumerate(free)]
        near = [n for n in near if n[0] <= radius]
        if near:
            hits += 1
            free.pop(min(near)[1])
    false = [f for f in free if not any(np.hypot(f[0] - x, f[1] - y) <= r for x, y, r in [*wanted, *allowed])]
    return hits, len(false)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def allidb1_rows(root: Path, detections: Path, threshold: float) -> list[Row]:
    """Leave one series out: all labeled blasts and all normal cells of ALL-IDB2."""
    folder = root / "allidb1"
    series = {r["file"]: r["series"] for r in _rows(folder / "fields.csv")}
    wanted: dict[str, list[Label]] = defaultdict(list)
    allowed: dict[str, list[Label]] = defaultdict(list)
    for r in _rows(folder / "cells.csv"):
        area = float(r["stained_area_px"])
        radius = float(np.sqrt(area / np.pi))
        if r["kind"] == "blast":
            wanted[r["file"]].append((float(r["x_px"]), float(r["y_px"]), radius))
        elif area >= 3000:
            allowed[r["file"]].append((float(r["x_px"]), float(r["y_px"]), 1.5 * radius))
    for r in _rows(folder / "allidb2_crops.csv"):
        if r["is_blast"] == "0":
            wanted[r["file"]].append((float(r["x_px"]), float(r["y_px"]), 50.0))
    per: dict[str, list[int]] = {s: [0, 0, 0, 0] for s in sorted(set(series.values()))}
    for letter, tally in per.items():
        found = read_detections(detections, f"out-{letter}", threshold)
        for file in (f for f, s in series.items() if s == letter):
            hits, false = match(found.get(file, []), wanted[file], allowed[file])
            tally[0] += hits
            tally[1] += len(wanted[file])
            tally[2] += false
            tally[3] += 1
    hits, total = sum(t[0] for t in per.values()), sum(t[1] for t in per.values())
    low, high = wilson_interval(hits, total)
    false, fields = (sum(per[s][i] for s in "CEG") for i in (2, 3))
    return [
        Row(
            "leukocytes found, `allidb1`, leave one series out, pooled",
            "recall >= 0.97",
            f"{hits / total:.4f} ({hits} of {total})",
            f"95 % {low:.3f} to {high:.3f}; " + ", ".join(f"{s} {t[0]}/{t[1]}" for s, t in per.items()),
            hits / total >= 0.97,
        ),
        Row(
            "false cells, healthy series of `allidb1`",
            "<= 0.3 per field",
            f"{false / fields:.2f} ({false} in {fields} fields)",
            ", ".join(f"{s} {per[s][2]}/{per[s][3]}" for s in "CEG"),
            false / fields <= 0.3,
        ),
    ]


def bccd_rows(root: Path, detections: Path, threshold: float) -> list[Row]:
    """Trained without BCCD."""
    wanted: dict[str, list[Label]] = defaultdict(list)
    files = {p.name for p in (root / "bccd" / "images").iterdir()}
    for r in _rows(root / "bccd" / "boxes.csv"):
        if r["label"] == "WBC":
            x0, y0, x1, y1 = (float(r[k]) for k in ("xmin", "ymin", "xmax", "ymax"))
            wanted[r["file"]].append(((x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, y1 - y0) / 2))
    found = read_detections(detections, "out-bccd", threshold)
    results = [match(found.get(f, []), wanted[f], []) for f in sorted(files)]
    hits, false, total = sum(r[0] for r in results), sum(r[1] for r in results), sum(map(len, wanted.values()))
    low, high = wilson_interval(hits, total)
    spread = f"95 % {low:.3f} to {high:.3f}"
    return [
        Row(
            "leukocytes found, `bccd`, trained without it",
            "recall >= 0.98",
            f"{hits / total:.4f} ({hits} of {total})",
            spread,
            hits / total >= 0.98,
        ),
        Row(
            "false cells, `bccd`, trained without it",
            "<= 0.1 per field",
            f"{false / len(files):.3f} ({false} in {len(files)})",
            "",
            false / len(files) <= 0.1,
        ),
    ]


def crossing_rows(root: Path, detections: Path, threshold: float) -> list[Row]:
    """Report a network trained on simulated fields alone, tested on real ones, without a target."""
    wanted: dict[str, list[Label]] = defaultdict(list)
    for r in _rows(root / "allidb1" / "cells.csv"):
        if r["kind"] == "blast":
            radius = float(np.sqrt(float(r["stained_area_px"]) / np.pi))
            wanted[r["file"]].append((float(r["x_px"]), float(r["y_px"]), radius))
    found = read_detections(detections, "simulator-only", threshold)
    hits = sum(match(found.get(f, []), labels, [])[0] for f, labels in wanted.items())
    total = sum(map(len, wanted.values()))
    return [Row("simulator -> real: blasts found, `allidb1`", "-", f"{hits / total:.3f} ({hits} of {total})", "", None)]
