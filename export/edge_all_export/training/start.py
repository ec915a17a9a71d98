"""Start of a training run from a recipe: data, job, loop."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from edge_all.errors import UsageError
from edge_all_export.models.checkpoint import Checkpoint, load_checkpoint
from edge_all_export.recipes.recipe import Recipe
from edge_all_export.training.job import Job
from edge_all_export.training.loop import CHECKPOINT, RESUME, fit

_log = logging.getLogger(__name__)


def start(recipe: Recipe, out: Path, *, fresh: bool) -> Checkpoint:
    """Train, or resume training. Raises UsageError when ``out`` contains a checkpoint of another recipe."""
    from edge_all_export.models.registry import family_of_recipe

    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file", "choose a folder for --out")
    first = os.environ.get("RANK", "0") == "0"
    if fresh and first:
        for name in (CHECKPOINT, RESUME):
            (out / name).unlink(missing_ok=True)
        shutil.rmtree(out / "log", ignore_errors=True)
    elif (out / CHECKPOINT).is_file():
        there = load_checkpoint(out / CHECKPOINT)
        if there.recipe_sha256 != recipe.sha256:
            raise UsageError(f"{out} contains a checkpoint of another recipe", "choose another --out, or use --fresh")
    family = family_of_recipe(recipe)
    _log.info("reading and preparing the images")
    job = _JOBS[recipe["task"]](recipe, out)
    _log.info("%d groups to train on, %d left out", len(job.data.seen), len(job.data.unseen))
    return fit(job, out, family.name)


def _classifier(recipe: Recipe, _: Path) -> Job:
    from edge_all_export.training.classifier import classifier_job
    from edge_all_export.training.datasets import classifier_cells, data_of, sets_sha256

    data = data_of(recipe)
    cells = classifier_cells(data, recipe)
    return classifier_job(cells, recipe, sets_sha256(data), leaky=recipe["data.split"] == "image")


def _detector(recipe: Recipe, _: Path) -> Job:
    from edge_all_export.training.datasets import data_of, detector_fields, sets_sha256
    from edge_all_export.training.detector import detector_job

    data = data_of(recipe)
    fields = detector_fields(data, recipe)
    return detector_job(fields, recipe, sets_sha256(data), leaky=recipe["data.split"] == "image")


def _kinds(recipe: Recipe, out: Path) -> Job:
    """Cells and maps are kept next to ``out`` for every training of these sources."""
    from edge_all_export.training.kind_data import cache_next_to, kind_data
    from edge_all_export.training.kinds import kinds_job

    data = kind_data(recipe, cache_next_to(out))
    return kinds_job(data.cells, data.maps, recipe, data.sha256)


_JOBS: dict[str, Callable[[Recipe, Path], Job]] = {
    "classifier": _classifier,
    "detector": _detector,
    "kinds": _kinds,
}
"""Job by the task of a recipe."""
