"""Train the folds of the classifier of kinds, write what each predicts for cells it has never seen, and export.

python -m edge_all_export.release.kinds [FOLD ...] [predictions] [export] does what is named; without names, everything.
"predictions" writes export/release_data/out_of_fold/kinds.csv.xz. "export" chooses temperature and thresholds from it
and writes edge_all/models/classifier. Interrupted trainings resume after their last epoch.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch

from edge_all_export.data.kinds import KINDS
from edge_all_export.evaluate.kind_predictions import open_predictions, provenance_path
from edge_all_export.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from edge_all_export.models.classifier.kinds_network import ARCHITECTURE, KindsNet
from edge_all_export.recipes.recipe import load_recipe
from edge_all_export.release.kind_folds import FOLDS, PREDICTIONS, RUNS, checkpoint_path, is_out
from edge_all_export.release.kinds_export import export_kinds
from edge_all_export.release.log_lines import lines_on_stdout
from edge_all_export.training.kind_data import KindData, kind_data
from edge_all_export.training.kinds import kinds_job, logits_of
from edge_all_export.training.loop import fit

_COLUMNS = ("fold", "source", "group", "name", "kind", "detail", *KINDS)


@lru_cache(maxsize=1)
def data() -> KindData:
    """Return the cells and maps of the recipe."""
    return kind_data(load_recipe("kinds"), RUNS)


def trained(fold: str) -> Checkpoint | None:
    """Return a fold's checkpoint if it belongs to this recipe and data."""
    path = checkpoint_path(fold)
    if not path.is_file():
        return None
    there = load_checkpoint(path)
    matches = (there.recipe_sha256, there.data_sha256) == (load_recipe("kinds").sha256, data().sha256)
    return there if matches else None


def train_fold(fold: str) -> Checkpoint:
    """Return a fold's checkpoint: the one that is there if it belongs to this recipe and data, otherwise a new one."""
    there = trained(fold)
    if there is not None:
        return there
    recipe = load_recipe("kinds")
    job = kinds_job(data().cells, data().maps, recipe, data().sha256, is_out(fold, data().cells))
    with lines_on_stdout(f"kinds {fold} "):
        made = fit(job, RUNS / fold, ARCHITECTURE)
    save_checkpoint(made, checkpoint_path(fold))
    return made


def network_of(checkpoint: Checkpoint) -> KindsNet:
    """Return the network with a checkpoint's weights."""
    network = KindsNet(pretrained=False)
    network.load_state_dict(checkpoint.weights)
    return network.eval()


def write_predictions(path: Path = PREDICTIONS) -> None:
    """Write the logits of every cell by the networks that never saw it, with the data that they were made from.

    Folds that are not trained are left out and listed.
    """
    recipe, cells, maps = load_recipe("kinds"), data().cells, data().maps
    made = {fold: checkpoint for fold in FOLDS if (checkpoint := trained(fold)) is not None}
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_predictions(path, "wt") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for fold, checkpoint in made.items():
            network, out = network_of(checkpoint), is_out(fold, cells)
            unseen = [i for i, c in enumerate(cells) if out(c) and i in maps.plain]
            for i, logits in zip(unseen, logits_of(network, maps, unseen), strict=True):
                c = cells[i]
                values = (f"{v:.3f}" for v in logits)
                writer.writerow((fold, c.source, c.group, c.name, c.kind, c.detail, *values))
    missing = [fold for fold in FOLDS if fold not in made]
    if missing:
        print(f"not trained, so without predictions: {', '.join(missing)}")
    made_from = {
        "recipe": recipe.name,
        "recipe_sha256": recipe.sha256,
        "data_sha256": data().sha256,
        "folds": list(made),
    }
    provenance_path(path).write_text(json.dumps(made_from, indent=1) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the named folds, write the predictions and export, as named; without names, do everything."""
    torch.set_num_threads(1)  # folds are trained side by side; small layers gain little from threads
    words = (*FOLDS, "all", "predictions", "export")
    named = list(sys.argv[1:] if arguments is None else arguments)
    for fold in named:
        if fold not in words:
            sys.exit(f"Unknown fold {fold}. Choose from {', '.join(words)}.")
    with lines_on_stdout():
        for fold in named or (*FOLDS, "all"):
            if fold not in ("predictions", "export"):
                train_fold(fold)
        if not named or "predictions" in named:
            write_predictions()
        if not named or "export" in named:
            export_kinds()


if __name__ == "__main__":
    main()
