"""The cells and frozen maps that a recipe of kinds trains on, kept in a cache folder."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_all.errors import UsageError
from edge_all.inference.loader import load_file
from edge_all.modelstore.shipped import models_folder
from edge_all_export.data.crop_cache import CropCache, open_crops
from edge_all_export.data.kind_crops import KindCell
from edge_all_export.data.root import data_root
from edge_all_export.models.classifier.kinds_network import KindsNet
from edge_all_export.recipes.recipe import Recipe
from edge_all_export.training.frozen_maps import FrozenMaps, is_made, make_pass
from edge_all_export.training.kind_cells import cut_sources, peaks_by, sources_sha256

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class KindData:
    """cells: in the order of the maps' indices. sha256: of the sources."""

    cells: tuple[KindCell, ...]
    maps: FrozenMaps
    sha256: str


def cache_next_to(out: Path) -> Path:
    """Return the folder that holds the cells and maps of all trainings whose results are next to each other."""
    return out.resolve().parent / "kinds"


def kind_crops(recipe: Recipe, cache: Path) -> tuple[CropCache, str]:
    """Return the cells of a recipe and the SHA-256 of its sources; cut the cells first if the cache lacks them.

    That takes about ten minutes on one core. Raises UsageError if the images are missing, or for images that are not
    one of the sources with kinds.
    """
    if recipe["data.paths"]:
        raise UsageError(
            "a recipe of kinds reads only its sources, not [data] paths or --data",
            "list folders under EDGE_ALL_DATA as [data] sources, or train a blast classifier on your own cells",
        )
    root = data_root()
    if root is None:
        raise UsageError("no images to train on", "set EDGE_ALL_DATA to the folder of the recipe's sources")
    sha256 = sources_sha256(root, recipe["data.sources"])
    detector = load_file(models_folder() / "detector" / "float.onnx", "detector")
    return open_crops(cache / f"crops-{sha256[:12]}", lambda: cut_sources(root, recipe, peaks_by(detector))), sha256


def kind_data(recipe: Recipe, cache: Path) -> KindData:
    """Return the data of a recipe; cut the cells and run the frozen blocks first where the cache lacks them.

    That takes about 20 minutes on one core. Raises UsageError as kind_crops does.
    """
    crops, sha256 = kind_crops(recipe, cache)
    folder = cache / f"maps-{sha256[:12]}-{recipe['seed']}"
    labeled = np.array([i for i, c in enumerate(crops.cells) if c.possible], np.intp)
    passes = 1 + recipe["views"]
    for number in range(passes):
        if not is_made(folder, number):
            _log.info("running the frozen blocks over every cell, pass %d of %d", number, passes - 1)
            make_pass(crops, KindsNet(), labeled, folder, number, recipe["seed"])
    return KindData(crops.cells, FrozenMaps(folder, passes), sha256)
