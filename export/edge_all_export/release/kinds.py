"""Train the folds of the classifier of kinds, and write what each network predicts for the cells it has never seen.

python -m edge_all_export.release.kinds [FOLD ...] trains folds; without names, it trains all of them and writes the
predictions to export/release_data/out_of_fold/kinds.csv. Interrupted trainings resume after their last epoch.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import torch

from edge_all_export.data.kind_crops import KindCell
from edge_all_export.data.kinds import KINDS
from edge_all_export.data.splits import balanced_folds
from edge_all_export.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from edge_all_export.models.classifier.kinds_network import ARCHITECTURE, KindsNet
from edge_all_export.models.contracts import CHECKPOINTS
from edge_all_export.recipes.recipe import load_recipe
from edge_all_export.release.log_lines import lines_on_stdout
from edge_all_export.training.kind_data import KindData, kind_data
from edge_all_export.training.kinds import kinds_job, logits_of
from edge_all_export.training.loop import fit

IsOut = Callable[[KindCell], bool]

HOME = Path(__file__).resolve().parents[3]
RUNS = HOME / "runs" / "kinds"
PREDICTIONS = HOME / "export" / "release_data" / "out_of_fold" / "kinds.csv"

SOURCES_OUT = {
    "out-allidb1": ("allidb1", "lisc", "jtsc_tecom"),
    "out-deepapl": ("deepapl", "jtsc_cellavision"),
    "out-pbc": ("pbc", "pbc_kinds"),
}
"""Sources that each fold never sees: of one scanner maker in part, so that no fold knows a bench by its sister."""
GROUP_FOLDS = ("groups-1", "groups-2", "groups-3")
"""Each leaves out a third of the patients of deepapl, a third of the subjects of C-NMC and two series of ALL-IDB1."""
_SERIES = (("A", "C"), ("D", "G"), ("B", "E"))
FOLDS = (*SOURCES_OUT, *GROUP_FOLDS)
_COLUMNS = ("fold", "source", "group", "name", "kind", "detail", *KINDS)


def is_out(fold: str, cells: Sequence[KindCell]) -> IsOut:
    """Return which cells a fold never sees; "all" sees everything."""
    if fold == "all":
        return lambda _: False
    if fold in SOURCES_OUT:
        return lambda c: c.source in SOURCES_OUT[fold]
    number = GROUP_FOLDS.index(fold)
    out = {("allidb1", series) for series in _SERIES[number]}
    out |= {("deepapl", c.group) for c in cells if c.source == "deepapl" and int(c.group[1:]) % 3 == number}
    subjects: dict[str, tuple[str, int]] = {}
    for c in cells:
        if c.source == "cnmc":
            subjects[c.group] = (c.kind, subjects.get(c.group, ("", 0))[1] + 1)
    out |= {("cnmc", subject) for subject in balanced_folds(subjects, len(GROUP_FOLDS))[number]}
    return lambda c: (c.source, c.group) in out


@lru_cache(maxsize=1)
def data() -> KindData:
    """Return the cells and maps of the recipe."""
    return kind_data(load_recipe("kinds"), RUNS)


def checkpoint_path(fold: str) -> Path:
    """Return export/checkpoints/kinds-FOLD.pt; for "all" kinds.pt."""
    return CHECKPOINTS / ("kinds.pt" if fold == "all" else f"kinds-{fold}.pt")


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
    with path.open("w", newline="", encoding="utf-8") as file:
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
    path.with_suffix(".json").write_text(json.dumps(made_from, indent=1) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the named folds, or all of them and write the predictions."""
    torch.set_num_threads(1)  # folds are trained side by side; small layers gain little from threads
    named = list(sys.argv[1:] if arguments is None else arguments)
    for fold in named:
        if fold not in (*FOLDS, "all", "predictions"):
            sys.exit(f"Unknown fold {fold}. Choose from {', '.join((*FOLDS, 'all', 'predictions'))}.")
    with lines_on_stdout():
        for fold in named or (*FOLDS, "all"):
            if fold != "predictions":
                train_fold(fold)
        if not named or "predictions" in named:
            write_predictions()


if __name__ == "__main__":
    main()
