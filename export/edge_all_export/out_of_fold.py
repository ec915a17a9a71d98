"""Trains the recipes with groups left out and writes what each network says of the groups it has never seen.

The results are small csv files under tests/scores/out_of_fold, so that scores can be computed again without training.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch

from edge_all.field.illumination import estimate_illumination
from edge_all.field.leukocytes import decode_peaks, prepare_detector_input
from edge_all_export.classifier.cells import TrainingCell
from edge_all_export.classifier.network import BlastNet
from edge_all_export.classifier.training import logits_of, train_classifier
from edge_all_export.data.allidb1 import SERIES
from edge_all_export.data.labelled_field import LabelledField
from edge_all_export.data.sets import (
    classifier_cells,
    data_sha256,
    detector_fields,
    real_fields,
    simulated_fields,
)
from edge_all_export.detector.network import DeployedLeukocyteNet, LeukocyteNet
from edge_all_export.detector.samples import UM_PER_PX, PreparedField
from edge_all_export.detector.training import train_detector
from edge_all_export.recipe import Recipe, load_recipe

DETECTOR_FOLDS: dict[str, Callable[[str, str], bool]] = {
    **{f"out-{s}": (lambda _, group, s=s: group == s) for s in SERIES},  # type: ignore[misc]
    "out-bccd": lambda source, _: source == "bccd",
    "real-only": lambda source, _: source == "simulator",
    "simulator-only": lambda source, _: source != "simulator",
}
"""Which (source, group) each fold's network never sees."""

CLASSIFIER_FOLDS: dict[str, Callable[[str, str], bool]] = {
    "out-AC": lambda source, group: source == "allidb1" and group in "AC",
    "out-DG": lambda source, group: source == "allidb1" and group in "DG",
    "out-BE": lambda source, group: source == "allidb1" and group in "BE",
    "out-pbc": lambda source, _: source == "pbc",
    "real-only": lambda source, _: source == "simulator",
    "simulator-only": lambda source, _: source != "simulator",
}

DETECTION_COLUMNS = ("fold", "source", "group", "file", "x_px", "y_px", "radius_px", "score", "smudge")
CELL_COLUMNS = ("fold", "source", "group", "name", "kind", "detail", "blast_logit", "unfamiliar_logit")
_SIMULATED_TEST_FIELDS = 30


def run(root: Path, output: Path, states: Path, only: Sequence[str] = ()) -> None:
    """Every fold of both recipes (or those named); weights are kept in ``states`` and used again if present."""
    output.mkdir(parents=True, exist_ok=True)
    states.mkdir(parents=True, exist_ok=True)
    _detector(root, output, states, only)
    _classifier(root, output, states, only)


def _detector(root: Path, output: Path, states: Path, only: Sequence[str]) -> None:
    recipe = load_recipe("detector")
    prepared: list[PreparedField] | None = None
    fields = [f for part in real_fields(root).values() for f in part if f.source in ("allidb1", "bccd")]
    fields += simulated_fields(recipe)[:_SIMULATED_TEST_FIELDS]
    rows: list[tuple[object, ...]] = []
    for fold, is_out in DETECTOR_FOLDS.items():
        if only and fold not in only:
            continue
        path = states / f"detector-{fold}.pt"
        network = LeukocyteNet()
        if path.exists():
            network.load_state_dict(torch.load(path))
        else:
            prepared = prepared or detector_fields(root, recipe)
            seen = [f for f in prepared if not is_out(f.source, f.group)]
            network = train_detector(
                seen,
                steps=recipe["steps"],
                seed=recipe["seed"],
                batch=recipe["batch"],
                rate=recipe["rate"],
                say=lambda line, fold=fold: print(f"detector {fold} {line}", flush=True),  # type: ignore[misc]
            )
            torch.save(network.state_dict(), path)
        for field in fields:
            if is_out(field.source, field.group):
                rows += [(fold, field.source, field.group, *d) for d in _detections(network.eval(), field)]
    _write(output / "detections.csv", DETECTION_COLUMNS, rows, recipe, root)


@torch.inference_mode()
def _detections(network: LeukocyteNet, field: LabelledField) -> Iterable[tuple[object, ...]]:
    image = field.read()
    prepared = prepare_detector_input(image, field.um_per_px, estimate_illumination(image), UM_PER_PX)
    heat, log_radius = DeployedLeukocyteNet(network)(torch.from_numpy(prepared.image[None].copy()))
    for peak in decode_peaks(heat[0].numpy(), log_radius[0, 0].numpy(), 0.1, UM_PER_PX):
        x, y = (peak.x + 0.5) / prepared.scale_x - 0.5, (peak.y + 0.5) / prepared.scale_y - 0.5
        yield (
            field.file,
            round(x, 1),
            round(y, 1),
            round(peak.radius / prepared.scale_x, 1),
            round(peak.score, 4),
            int(peak.smudge),
        )


def _classifier(root: Path, output: Path, states: Path, only: Sequence[str]) -> None:
    recipe = load_recipe("classifier")
    cells = classifier_cells(root, recipe)
    rows: list[tuple[object, ...]] = []
    for fold, is_out in CLASSIFIER_FOLDS.items():
        if only and fold not in only:
            continue
        path = states / f"classifier-{fold}.pt"
        if path.exists():
            network = BlastNet(pretrained=False)
            network.load_state_dict(torch.load(path))
            network.eval()
        else:
            network = train_fold(cells, recipe, is_out, f"classifier {fold}")
            torch.save(network.state_dict(), path)
        tested = [c for c in cells if is_out(c.source, c.group) and (c.source in ("allidb1", "pbc", "simulator"))]
        if fold == "simulator-only":
            tested = [c for c in tested if c.source == "allidb1" and c.kind in ("blast", "normal")]
        for cell, logits in zip(tested, logits_of(network, tested), strict=True):
            rows.append(
                (
                    fold,
                    cell.source,
                    cell.group,
                    cell.name,
                    cell.kind,
                    cell.detail,
                    round(float(logits[0]), 4),
                    round(float(logits[1]), 4),
                )
            )
    _write(output / "cells.csv", CELL_COLUMNS, rows, recipe, root)


def train_fold(
    cells: Sequence[TrainingCell], recipe: Recipe, is_out: Callable[[str, str], bool], name: str
) -> BlastNet:
    """One classifier on all cells but those of the groups left out."""
    return train_classifier(
        [c for c in cells if not is_out(c.source, c.group)],
        steps=recipe["steps"],
        seed=recipe["seed"],
        batch=recipe["batch"],
        rate=recipe["rate"],
        frozen_blocks=recipe["frozen_blocks"],
        say=lambda line: print(f"{name} {line}", flush=True),
    )


def _write(
    path: Path, columns: tuple[str, ...], rows: Sequence[tuple[object, ...]], recipe: Recipe, root: Path
) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    source = {"recipe": recipe.name, "recipe_sha256": recipe.sha256, "data_sha256": data_sha256(root)}
    path.with_suffix(".json").write_text(json.dumps(source, indent=1) + "\n")


def main() -> None:
    """python -m edge_all_export.out_of_fold"""
    import sys

    from edge_all_export.data.root import data_root

    root = data_root()
    if root is None:
        sys.exit("the real images are not there: set EDGE_ALL_DATA to their folder")
    torch.set_num_threads(1)
    home = Path(__file__).resolve().parents[2]
    run(root, home / "tests" / "scores" / "out_of_fold", home / "runs" / "folds")


if __name__ == "__main__":
    main()
