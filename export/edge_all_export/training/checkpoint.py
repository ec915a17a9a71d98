"""Checkpoints: weights with the recipe, the data and the groups they have never seen."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from edge_all.errors import EdgeAllError, UsageError
from edge_all_export.recipe import Recipe

FORMAT = 2


@dataclass
class Checkpoint:
    """architecture: "leukocyte-net" or the name of a classifier's network. decision: calibration and thresholds where
    they were chosen."""

    task: str
    architecture: str
    weights: dict[str, torch.Tensor]
    recipe_name: str
    recipe: dict[str, Any]
    recipe_sha256: str
    data_sha256: str
    seen_groups: tuple[str, ...]
    unseen_groups: tuple[str, ...]
    epochs: int
    scores: tuple[float, ...] = ()
    leaky: bool = False
    decision: dict[str, Any] = field(default_factory=dict)


def recipe_of(checkpoint: Checkpoint) -> Recipe:
    """The recipe that trained it. The sources of a checkpoint from before recipes listed them are those of its groups:
    its recipe named no folders, and read all of EDGE_ALL_DATA."""
    values = {"data.sources": [], **checkpoint.recipe}
    if not values["data.sources"] and not values["data.paths"]:
        groups = (*checkpoint.seen_groups, *checkpoint.unseen_groups)
        values["data.sources"] = sorted({g.split("/")[0] for g in groups} - {"simulator"})
    return Recipe(checkpoint.recipe_name, values)


def save_atomically(value: object, path: Path) -> None:
    """torch.save under a temporary name, flushed to the disk, then renamed: no half file ever has the final name."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            torch.save(value, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        temporary.unlink(missing_ok=True)
        # PyTorch's writer turns a full disk into a RuntimeError.
        reason = getattr(error, "strerror", None) or "no space left, or the disk failed"
        raise EdgeAllError(f"cannot write {path} ({reason})", "free space, or name another --out") from error


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write it whole or not at all."""
    save_atomically({"format": FORMAT, **vars(checkpoint)}, path)


def load_checkpoint(path: Path) -> Checkpoint:
    """Raises UsageError when the file is no checkpoint of this program."""
    remedy = "give a checkpoint.pt that 'edge-all train' wrote"
    if not path.is_file():
        raise UsageError(f"there is no checkpoint {path}", remedy)
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes the unpickler fail in a dozen ways
        raise UsageError(f"{path} is no checkpoint, or is damaged", remedy) from error
    if not isinstance(values, dict) or "weights" not in values:
        raise UsageError(f"{path} holds no edge-all checkpoint", remedy)
    if values.pop("format", None) != FORMAT:
        raise UsageError(f"{path} is a checkpoint of another version of edge-all", remedy)
    try:
        checkpoint = Checkpoint(**values)
    except TypeError as error:
        raise UsageError(f"{path} holds no edge-all checkpoint ({error})", remedy) from error
    return checkpoint
