"""Comparison of architectures with the same data, groups, budget and augmentation, and the same unseen test cells."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from edge_all.errors import EdgeAllError, UsageError
from edge_all.files.atomic_write import PUBLIC, write_atomically
from edge_all_export.data.cells import TrainingCell
from edge_all_export.data.classes import BLAST, NORMAL, SCORED
from edge_all_export.data.sources.allidb1 import HEALTHY
from edge_all_export.models.registry import classifiers, find_classifier
from edge_all_export.models.torch_engine import network_of
from edge_all_export.recipes.recipe import Recipe
from edge_all_export.training.classifier import classifier_job, logits_of
from edge_all_export.training.loop import fit

STILL_IMPROVING = 0.03
"""Share by which a training loss must fall over the last third of the epochs to count as still falling at the end."""

FLOAT32, BFLOAT16 = "float32", "bfloat16"

Loss = Callable[[nn.Module, Sequence[Tensor]], Tensor]


@dataclass(frozen=True)
class Candidate:
    """A network trained from scratch or from ImageNet weights."""

    network: str
    pretrained: bool

    @property
    def name(self) -> str:
        """Name with the origin of the weights, such as "resnet50, scratch"."""
        return f"{self.network}, {'ImageNet' if self.pretrained else 'scratch'}"


@dataclass(frozen=True)
class Result:
    """Figures of a contestant on the unseen cells of one fold of one kind of cells ("field" or "segmented").

    unconverged: its loss was still falling.
    """

    network: str
    pretrained: bool
    cells: str
    fold: str
    steps: int
    batch: int
    auroc: float
    weighted_f1: float
    last_loss: float
    unconverged: bool
    recipe_sha256: str
    data_sha256: str
    precision: str = FLOAT32
    """Precision of the training."""

    @property
    def key(self) -> tuple[str, bool, str, str, str, str]:
        """Identity of the training run: network, cells, fold, recipe and precision."""
        return self.network, self.pretrained, self.cells, self.fold, self.recipe_sha256, self.precision


def candidates(names: Sequence[str] = ()) -> list[Candidate]:
    """Return each named network (all if names is empty), from scratch and, if available offline, from ImageNet weights.

    The proposed network is designed for ImageNet weights, and a variant of it is used for segmented cells. Raises
    UsageError for an unknown name.
    """
    wanted = [family.name for family in classifiers(names)]
    chosen = [f for f in classifiers() if f.name in wanted and f.is_candidate]
    return [Candidate(f.name, pretrained) for f in chosen for pretrained in f.compared_starts]


def alone(recipe: Recipe) -> Recipe:
    """Return the recipe with a network that takes the crops that all contestants use."""
    return find_classifier(recipe["network"]).recipe_for_comparison(recipe)


def recipe_for(candidate: Candidate, recipe: Recipe, epochs: int, steps: int) -> Recipe:
    """Return the shipped recipe with another network and the comparison's budget.

    The proposed network keeps its recipe's start, in which the last layer is solved first, and uses the rest of the
    budget.
    """
    if find_classifier(candidate.network).proposed:
        solved = min(recipe["probe_batches"], epochs * steps)
        rest = 0 if recipe["epochs"] == 0 else max(0, epochs - solved // steps)
        return recipe.but(probe_batches=solved, epochs=rest, steps_per_epoch=steps)
    return recipe.but(
        network=candidate.network,
        pretrained=candidate.pretrained,
        epochs=epochs,
        steps_per_epoch=steps,
        probe_batches=0,
        rate=5e-4,
        head_rate=1.0,
    )


def run_experiment(
    candidate: Candidate,
    fold: str,
    is_out: Callable[[str, str], bool],
    cells: Sequence[TrainingCell],
    recipe: Recipe,
    data_sha256: str,
    precision: str = FLOAT32,
) -> Result:
    """Train without the fold's groups, and test on their blasts and normal cells.

    precision: with BFLOAT16, convolutions are trained in bfloat16, which is several times faster on processors with
    AMX. The test is in float32.
    """
    losses: list[float] = []
    job = classifier_job(cells, recipe, data_sha256, leave_out=lambda c: is_out(c.source, c.group))
    if precision == BFLOAT16:
        job.loss = _in_bfloat16(job.loss)
    with tempfile.TemporaryDirectory() as folder:
        made = fit(job, Path(folder), recipe["network"], resume=False, watch=lambda _, loss: losses.append(loss))
    tested = [c for c in cells if is_out(c.source, c.group) and is_scored(c)]
    auroc, weighted_f1 = _figures(
        logits_of(network_of(made), tested)[:, 0], np.array([c.kind == BLAST for c in tested], bool)
    )
    return Result(
        candidate.network,
        candidate.pretrained,
        kind_of(recipe),
        fold,
        recipe["epochs"] * recipe["steps_per_epoch"] + recipe["probe_batches"],
        recipe["batch"],
        auroc,
        weighted_f1,
        losses[-1] if losses else float("nan"),
        still_improving(losses),
        recipe.sha256,
        data_sha256,
        precision,
    )


def _in_bfloat16(loss: Loss) -> Loss:
    def mixed(network: nn.Module, batch: Sequence[Tensor]) -> Tensor:
        with torch.autocast(batch[0].device.type, dtype=torch.bfloat16):
            return loss(network, batch)

    return mixed


def still_improving(losses: Sequence[float]) -> bool:
    """Return whether the loss, one value per epoch, was still falling at the end; always true for a single epoch."""
    if not losses:
        return False  # nothing was trained in steps; the last layer was solved
    before = losses[-1 - max(1, len(losses) // 3)] if len(losses) > 1 else float("inf")
    return losses[-1] < (1 - STILL_IMPROVING) * before


def kind_of(recipe: Recipe) -> str:
    """Return the kind of the recipe's test cells: "field" or "segmented"."""
    return "segmented" if recipe["cells"] == "segmented" else "field"


def is_scored(cell: TrainingCell) -> bool:
    """Return whether a cell is scored: blasts and normal cells, in ALL-IDB1 only normal cells of healthy series.

    An expert labeled those.
    """
    if cell.source == "allidb1" and cell.kind == NORMAL:
        return cell.group in HEALTHY
    return cell.kind in SCORED


def _figures(logit: npt.NDArray[np.floating], is_blast: npt.NDArray[np.bool_]) -> tuple[float, float]:
    from sklearn.metrics import f1_score, roc_auc_score

    if not (is_blast.any() and (~is_blast).any()):
        return float("nan"), float("nan")
    weighted = f1_score(is_blast, logit >= 0, average="weighted", zero_division=0)
    return float(roc_auc_score(is_blast, logit)), float(weighted)


def read_results(path: Path) -> list[Result]:
    """Read the rows of a comparison.csv, oldest first; none if it does not exist.

    Raises UsageError when the file is not a comparison table.
    """
    if not path.is_file():
        return []
    try:
        with path.open(newline="") as file:
            return [_parsed(row) for row in csv.DictReader(file)]
    except (KeyError, ValueError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not a comparison table", "choose another --out") from error


def _parsed_bool(text: str) -> bool:
    return {"True": True, "False": False}[text]


def _parsed(row: dict[str, str]) -> Result:
    kinds: dict[str, Callable[[str], Any]] = {"str": str, "int": int, "float": float, "bool": _parsed_bool}
    values: dict[str, Any] = {f.name: kinds[str(f.type)](row[f.name]) for f in fields(Result)}
    return Result(**values)


def write_results(results: Sequence[Result], path: Path) -> None:
    """Write the whole table atomically. Raises EdgeAllError when writing fails."""
    table = io.StringIO()
    writer = csv.DictWriter(table, [f.name for f in fields(Result)], lineterminator="\n")
    writer.writeheader()
    for r in results:
        writer.writerow({k: round(v, 5) if isinstance(v, float) else v for k, v in asdict(r).items()})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, table.getvalue().encode(), mode=PUBLIC, single_writer=True)
    except OSError as error:
        raise EdgeAllError(f"cannot write {path} ({error.strerror})", "free space, or choose another --out") from error
