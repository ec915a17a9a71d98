"""Every architecture trained on the same data, groups, budget and augmentation, and tested on the same unseen cells."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edge_all.errors import EdgeAllError, UsageError
from edge_all_export.classifier.architectures import ARCHITECTURES, OURS, OURS_PAIRED, OURS_TEXTURED
from edge_all_export.classifier.cells import TrainingCell
from edge_all_export.classifier.training import classifier_job, logits_of
from edge_all_export.data.allidb1 import HEALTHY
from edge_all_export.evaluate.torch_engine import network_of
from edge_all_export.recipe import Recipe
from edge_all_export.training.fit import fit

STILL_IMPROVING = 0.03
"""A training loss that fell by more than this share over the last third of the epochs was still falling when the budget
ended."""

FLOAT32, BFLOAT16 = "float32", "bfloat16"

Say = Callable[[str], None]
Loss = Callable[[nn.Module, Sequence[Tensor]], Tensor]


@dataclass(frozen=True)
class Contestant:
    """A network from scratch or from ImageNet weights."""

    network: str
    pretrained: bool

    @property
    def name(self) -> str:
        return f"{self.network}, {'ImageNet' if self.pretrained else 'scratch'}"


@dataclass(frozen=True)
class Result:
    """One contestant on one fold of one kind of cells ("field" or "segmented"): figures on the fold's unseen cells.
    unconverged: its loss was still falling."""

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
    """Of the training."""

    @property
    def key(self) -> tuple[str, bool, str, str, str, str]:
        """What was trained, on what, by which recipe, in which precision."""
        return self.network, self.pretrained, self.cells, self.fold, self.recipe_sha256, self.precision


def contestants(names: Sequence[str] = ()) -> list[Contestant]:
    """Each named network from scratch and, where the weights can be had offline, from ImageNet; no name: all. Ours is
    made for ImageNet weights, and comes in its textured form where cells are segmented."""
    for name in names:
        if name not in ARCHITECTURES:
            raise UsageError(f"there is no network '{name}'", f"take some of {', '.join(ARCHITECTURES)}")
    chosen = [
        a
        for a in ARCHITECTURES.values()
        if (not names or a.name in names) and a.name not in (OURS_TEXTURED, OURS_PAIRED)
    ]
    return [
        Contestant(a.name, p)
        for a in chosen
        for p in ((True,) if a.name == OURS else (True, False) if a.imagenet else (False,))
    ]


def alone(recipe: Recipe) -> Recipe:
    """With one network of ours where the shipped recipe has a pair, on the crops that all contestants see."""
    return recipe.but(network=OURS_TEXTURED, untouched_penalty=0.0) if recipe["network"] == OURS_PAIRED else recipe


def recipe_for(contestant: Contestant, recipe: Recipe, epochs: int, steps: int) -> Recipe:
    """The shipped recipe with another network and the contest's budget. Ours keeps its recipe's start, a last layer
    that was solved first, and takes what is left of the budget."""
    if contestant.network == OURS:
        solved = min(recipe["probe_batches"], epochs * steps)
        rest = 0 if recipe["epochs"] == 0 else max(0, epochs - solved // steps)
        return recipe.but(probe_batches=solved, epochs=rest, steps_per_epoch=steps)
    return recipe.but(
        network=contestant.network,
        pretrained=contestant.pretrained,
        epochs=epochs,
        steps_per_epoch=steps,
        probe_batches=0,
        rate=5e-4,
        head_rate=1.0,
    )


def compete(
    contestant: Contestant,
    fold: str,
    is_out: Callable[[str, str], bool],
    cells: Sequence[TrainingCell],
    recipe: Recipe,
    data_sha256: str,
    say: Say,
    precision: str = FLOAT32,
) -> Result:
    """Train without the fold's groups, test on their blasts and normal cells. precision: BFLOAT16 trains convolutions
    in it, which processors with AMX carry out several times faster; the test is in float32."""
    losses: list[float] = []
    job = classifier_job(cells, recipe, data_sha256, leave_out=lambda c: is_out(c.source, c.group))
    if precision == BFLOAT16:
        job.loss = _in_bfloat16(job.loss)
    with tempfile.TemporaryDirectory() as folder:
        made = fit(
            job, Path(folder), recipe["network"], say=say, resume=False, watch=lambda _, loss: losses.append(loss)
        )
    tested = [c for c in cells if is_out(c.source, c.group) and is_scored(c)]
    auroc, weighted_f1 = _figures(
        logits_of(network_of(made), tested)[:, 0], np.array([c.kind == "blast" for c in tested], bool)
    )
    return Result(
        contestant.network,
        contestant.pretrained,
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
    """Whether the loss, one value an epoch, was falling when the budget ended; one epoch tells nothing, so yes."""
    if not losses:
        return False  # nothing was trained by steps: the last layer was solved
    before = losses[-1 - max(1, len(losses) // 3)] if len(losses) > 1 else float("inf")
    return losses[-1] < (1 - STILL_IMPROVING) * before


def kind_of(recipe: Recipe) -> str:
    """What the fold's test cells are: "field" or "segmented"."""
    return "segmented" if recipe["cells"] == "segmented" else "field"


def is_scored(cell: TrainingCell) -> bool:
    """Blasts, and normal cells; of ALL-IDB1 those of healthy series, which an expert labelled."""
    if cell.source == "allidb1" and cell.kind == "normal":
        return cell.group in HEALTHY
    return cell.kind in ("blast", "normal")


def _figures(logit: np.ndarray, is_blast: np.ndarray) -> tuple[float, float]:  # type: ignore[type-arg]
    from sklearn.metrics import f1_score, roc_auc_score

    if not (is_blast.any() and (~is_blast).any()):
        return float("nan"), float("nan")
    weighted = f1_score(is_blast, logit >= 0, average="weighted", zero_division=0)
    return float(roc_auc_score(is_blast, logit)), float(weighted)


def read_results(path: Path) -> list[Result]:
    """Rows of a comparison.csv, oldest first; none where it is not there. Raises UsageError when it is another file."""
    if not path.is_file():
        return []
    try:
        with path.open(newline="") as file:
            return [_parsed(row) for row in csv.DictReader(file)]
    except (KeyError, ValueError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no table of a comparison", "name another --out") from error


def _parsed(row: dict[str, str]) -> Result:
    kinds = {"str": str, "int": int, "float": float, "bool": lambda v: {"True": True, "False": False}[v]}
    values: dict[str, Any] = {f.name: kinds[str(f.type)](row[f.name]) for f in fields(Result)}
    return Result(**values)


def write_results(results: Sequence[Result], path: Path) -> None:
    """The whole table, under a temporary name first."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, [f.name for f in fields(Result)], lineterminator="\n")
            writer.writeheader()
            for r in results:
                rounded = {k: round(v, 5) if isinstance(v, float) else v for k, v in asdict(r).items()}
                writer.writerow(rounded)
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise EdgeAllError(f"cannot write {path} ({error.strerror})", "free space, or name another --out") from error
