"""Training of all folds of the detector and of classifier-segmented, and their predictions on groups never seen.

The classifier of kinds has its own program: release/kinds.py.

python -m edge_all_export.release.out_of_fold [FOLD ...] trains the named folds; without names, it trains all of them
and writes the predictions.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from edge_all.field.detector import decode_peaks, prepare_detector_input
from edge_all.field.illumination import estimate_illumination
from edge_all_export.data.cells import TrainingCell
from edge_all_export.data.classes import SCORED
from edge_all_export.data.dataset import DataSet
from edge_all_export.data.detector_samples import UM_PER_PX, PreparedField
from edge_all_export.data.labeled_field import LabeledField
from edge_all_export.data.sources.allidb1 import SERIES
from edge_all_export.data.splits import balanced_folds
from edge_all_export.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from edge_all_export.models.contracts import CHECKPOINTS, SEGMENTED
from edge_all_export.models.registry import family_of, family_of_recipe
from edge_all_export.models.torch_engine import deployed_network, network_of
from edge_all_export.recipes.recipe import Recipe, load_recipe
from edge_all_export.release.log_lines import lines_on_stdout
from edge_all_export.training.classifier import classifier_job, logits_of
from edge_all_export.training.datasets import classifier_cells, data_of, data_sha256, detector_fields, simulated_fields
from edge_all_export.training.detector import detector_job
from edge_all_export.training.loop import fit

IsOut = Callable[[str, str], bool]


def _in_series(series: str) -> IsOut:
    return lambda _, group: group == series


DETECTOR_FOLDS: dict[str, IsOut] = {
    **{f"out-{s}": _in_series(s) for s in SERIES},
    "out-bccd": lambda source, _: source == "bccd",
    "real-only": lambda source, _: source == "simulator",
    "simulator-only": lambda source, _: source != "simulator",
}
"""Fold -> whether its network never sees (source, group)."""

SERIES_PAIRS = ("AC", "DG", "BE")
"""Pairs of series left out together: one with blasts and one healthy."""
CLASSIFIER_FOLDS: dict[str, IsOut] = {
    f"out-{pair}": (lambda source, group, pair=pair: source == "allidb1" and group in pair)  # type: ignore[misc]
    for pair in SERIES_PAIRS
}
"""Folds of a comparison of classifiers of blasts."""
SERIES_FOLDS = tuple(f"out-{pair}" for pair in SERIES_PAIRS)
SEGMENTED_FOLDS = tuple(f"fold-{n}" for n in range(1, 6))
"""Folds of classifier-segmented: each leaves out a fifth of C-NMC's subjects, linked subjects together."""

DETECTION_COLUMNS = ("fold", "source", "group", "file", "x_px", "y_px", "radius_px", "score", "smudge")
CELL_COLUMNS = ("fold", "source", "group", "name", "kind", "detail", "blast_logit", "unfamiliar_logit")
_SIMULATED_TEST_FIELDS = 30
HOME = Path(__file__).resolve().parents[3]
OUT_OF_FOLD = HOME / "export" / "release_data" / "out_of_fold"
RUNS = HOME / "runs" / "folds"

Item = TypeVar("Item", TrainingCell, PreparedField)


def segmented_fold(fold: str, cells: Sequence[TrainingCell]) -> IsOut:
    """Return a predicate for the subjects, of any source, that one of SEGMENTED_FOLDS never sees."""
    groups: dict[str, tuple[str, int]] = {}
    for cell in cells:
        if cell.kind in SCORED:
            name = f"{cell.source}/{cell.group}"
            groups[name] = (cell.kind, groups.get(name, ("", 0))[1] + 1)
    subjects = set(balanced_folds(groups, len(SEGMENTED_FOLDS))[SEGMENTED_FOLDS.index(fold)])
    return lambda source, group: f"{source}/{group}" in subjects


@lru_cache(maxsize=2)
def _sets(name: str) -> list[DataSet]:
    return data_of(load_recipe(name))


@lru_cache(maxsize=1)
def _cells() -> tuple[TrainingCell, ...]:
    return tuple(classifier_cells(_sets(SEGMENTED), load_recipe(SEGMENTED)))


def checkpoint_path(name: str, fold: str) -> Path:
    """Return export/checkpoints/NAME-FOLD.pt, or NAME.pt for the fold "all"."""
    return CHECKPOINTS / (f"{name}.pt" if fold == "all" else f"{name}-{fold}.pt")


def _kept(path: Path, recipe: Recipe) -> Checkpoint | None:
    if path.is_file():
        there = load_checkpoint(path)
        if (there.recipe_sha256, there.data_sha256) == (recipe.sha256, _sha256(recipe)):
            return there
    return None


def classifier_fold(fold: str) -> Checkpoint:
    """Return a fold's checkpoint of classifier-segmented; "all" leaves nothing out.

    An existing checkpoint is used if it belongs to this recipe and data; otherwise the fold is trained.
    """
    recipe, path = load_recipe(SEGMENTED), checkpoint_path(SEGMENTED, fold)
    if (there := _kept(path, recipe)) is not None:
        return there
    out: IsOut = (lambda _source, _group: False) if fold == "all" else segmented_fold(fold, _cells())
    job = classifier_job(_cells(), recipe, _sha256(recipe), leave_out=lambda c: out(c.source, c.group))
    with lines_on_stdout(f"{SEGMENTED} {fold} "):
        made = fit(job, RUNS / f"{SEGMENTED}-{fold}", recipe["network"])
    if fold != "all":
        made.weights = family_of(made).stored_weights(made.weights)
    save_checkpoint(made, path)
    return made


def detector_fold(fold: str, recipe: Recipe, prepared: Callable[[], Sequence[PreparedField]]) -> Checkpoint:
    """Return a fold's checkpoint of the detector, existing or trained; "all" leaves nothing out."""
    path = checkpoint_path("detector", fold)
    if (there := _kept(path, recipe)) is not None:
        return there
    out: IsOut = DETECTOR_FOLDS.get(fold, lambda _s, _g: False)
    job = detector_job(prepared(), recipe, _sha256(recipe), leave_out=lambda f: out(f.source, f.group))
    with lines_on_stdout(f"detector {fold} "):
        made = fit(job, RUNS / f"detector-{fold}", family_of_recipe(recipe).name)
    save_checkpoint(made, path)
    return made


def _sha256(recipe: Recipe) -> str:
    from edge_all_export.data.root import data_root

    root = data_root()
    assert root is not None
    return data_sha256(root, tuple(recipe["data.sources"]))


def write_detections(output: Path) -> None:
    """Write detections.csv: each detector's detections in fields of groups it has never seen."""
    recipe = load_recipe("detector")
    data = _sets("detector")

    @lru_cache(maxsize=1)
    def prepared() -> Sequence[PreparedField]:
        return detector_fields(data, recipe)

    fields = [f for part in data for f in part.fields if f.source in ("allidb1", "bccd")]
    fields += simulated_fields(recipe)[:_SIMULATED_TEST_FIELDS]
    rows: list[tuple[object, ...]] = []
    for fold, is_out in DETECTOR_FOLDS.items():
        detector = deployed_network(detector_fold(fold, recipe, prepared))
        for field in fields:
            if is_out(field.source, field.group):
                rows += [(fold, field.source, field.group, *d) for d in detections(detector, field)]
    _write(output / "detections.csv", DETECTION_COLUMNS, rows, recipe)


@torch.inference_mode()
def detections(detector: nn.Module, field: LabeledField) -> Iterable[tuple[object, ...]]:
    """Yield peaks over 0.1 that a deployed detector finds: file, x, y, radius in pixels of the field, score, smudge."""
    image = field.read()
    prepared = prepare_detector_input(image, field.um_per_px, estimate_illumination(image), UM_PER_PX)
    heat, log_radius = detector(torch.from_numpy(prepared.image[None].copy()))
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


def write_cells(output: Path) -> None:
    """Write segmented_cells.csv: the logits of cells of groups never seen."""
    rows: list[tuple[object, ...]] = []
    for fold in SEGMENTED_FOLDS:
        network = network_of(classifier_fold(fold))
        is_out = segmented_fold(fold, _cells())
        own = [c for c in _cells() if is_out(c.source, c.group)]
        for cell, (blast, unfamiliar) in zip(own, logits_of(network, own), strict=True):
            logits = (round(float(blast), 4), round(float(unfamiliar), 4))
            rows.append((fold, cell.source, cell.group, cell.name, cell.kind, cell.detail, *logits))
    _write(output / "segmented_cells.csv", CELL_COLUMNS, rows, load_recipe(SEGMENTED))


def _write(path: Path, columns: tuple[str, ...], rows: Sequence[tuple[object, ...]], recipe: Recipe) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    source = {"recipe": recipe.name, "recipe_sha256": recipe.sha256, "data_sha256": _sha256(recipe)}
    path.with_suffix(".json").write_text(json.dumps(source, indent=1) + "\n")


def train_all() -> None:
    """Train all missing folds and shipped networks, and write the predictions on unseen groups."""
    classifier_fold("all")
    write_cells(OUT_OF_FOLD)
    write_detections(OUT_OF_FOLD)
    recipe = load_recipe("detector")
    detector_fold("all", recipe, lambda: detector_fields(_sets("detector"), recipe))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line.

    NAME:FOLD trains that fold (classifier-segmented:fold-1, detector:all). "segmented-cells" and "detections" write
    those predictions. Without arguments, does everything.
    """
    from edge_all_export.data.root import data_root

    if data_root() is None:
        sys.exit("the real images were not found: set EDGE_ALL_DATA to their folder")
    torch.set_num_threads(1)  # folds are trained in parallel; small layers gain little from threads
    with lines_on_stdout():
        _run(list(sys.argv[1:] if arguments is None else arguments))


def _run(named: Sequence[str]) -> None:
    if not named:
        train_all()
    detector = load_recipe("detector")

    @lru_cache(maxsize=1)
    def prepared() -> Sequence[PreparedField]:
        return detector_fields(_sets("detector"), detector)

    for word in named:
        name, _, fold = word.partition(":")
        if name == "detector" and fold in (*DETECTOR_FOLDS, "all"):
            detector_fold(fold, detector, prepared)
        elif name == SEGMENTED and fold in (*SEGMENTED_FOLDS, "all"):
            classifier_fold(fold)
        elif word == "segmented-cells":
            write_cells(OUT_OF_FOLD)
        elif word == "detections":
            write_detections(OUT_OF_FOLD)
        else:
            sys.exit(f"unknown fold {word}")


if __name__ == "__main__":
    main()
