"""Checkpoints: weights with their recipe, their data and the groups they have never seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from edge_all.errors import EdgeAllError, UsageError
from edge_all.files.atomic_write import PUBLIC, replacing
from edge_all_export.recipes.recipe import Recipe

FORMAT = 2


@dataclass
class Checkpoint:
    """A trained network with its provenance.

    architecture: "leukocyte-net" or the name of a classifier's network. decision: calibration and thresholds if they
    were chosen, else empty.
    """

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
    """Return the recipe that trained a checkpoint.

    Older recipes did not list their sources; without folders, they read all of EDGE_ALL_DATA. For their checkpoints,
    the sources are those of the groups.
    """
    values = {"data.sources": [], **checkpoint.recipe}
    if not values["data.sources"] and not values["data.paths"]:
        groups = (*checkpoint.seen_groups, *checkpoint.unseen_groups)
        values["data.sources"] = sorted({g.split("/")[0] for g in groups} - {"simulator"})
    return Recipe(checkpoint.recipe_name, values)


def save_atomically(value: object, path: Path) -> None:
    """Save with torch.save under a temporary name, flush and rename, so that the final file is never partial.

    Raises EdgeAllError when the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, mode=PUBLIC, single_writer=True) as file:
            torch.save(value, file)
    except (OSError, RuntimeError) as error:
        # PyTorch's writer turns a full disk into a RuntimeError.
        reason = getattr(error, "strerror", None) or "no space left, or the disk failed"
        raise EdgeAllError(f"cannot write {path} ({reason})", "free space, or choose another --out") from error


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint atomically. Raises EdgeAllError when it cannot be written."""
    save_atomically({"format": FORMAT, **vars(checkpoint)}, path)


def load_checkpoint(path: Path) -> Checkpoint:
    """Load a checkpoint. Raises UsageError when the file is not a checkpoint of this program."""
    remedy = "use a checkpoint.pt written by 'edge-all train'"
    if not path.is_file():
        raise UsageError(f"checkpoint {path} does not exist", remedy)
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes the unpickler fail in a dozen ways
        raise UsageError(f"{path} is not a checkpoint, or is damaged", remedy) from error
    if not isinstance(values, dict) or "weights" not in values:
        raise UsageError(f"{path} is not an edge-all checkpoint", remedy)
    if values.pop("format", None) != FORMAT:
        raise UsageError(f"{path} is a checkpoint from another version of edge-all", remedy)
    try:
        checkpoint = Checkpoint(**values)
    except TypeError as error:
        raise UsageError(f"{path} is not an edge-all checkpoint ({error})", remedy) from error
    return checkpoint
