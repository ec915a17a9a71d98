"""The training datasets together, and a hash that identifies them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from edge_all.errors import UsageError
from edge_all_export.data import simulated
from edge_all_export.data.cells import (
    CNMC_GAIN,
    CNMC_UM_PER_PX,
    TrainingCell,
    cells_of_field,
    is_on_black,
    photographed_cell,
    segmented_cell,
)
from edge_all_export.data.crop_form import COARSE, CropForm
from edge_all_export.data.dataset import CellFile, DataSet
from edge_all_export.data.detector_samples import PreparedField, prepare
from edge_all_export.data.labeled_field import LabeledField, read_rgb, typical_um_per_px
from edge_all_export.data.root import data_root
from edge_all_export.data.sources import allidb1
from edge_all_export.data.sources.registry import read_all
from edge_all_export.recipes.recipe import Recipe

_log = logging.getLogger(__name__)


def data_of(recipe: Recipe) -> list[DataSet]:
    """Read the datasets that a recipe names: its sources under EDGE_ALL_DATA, and its paths.

    Raises UsageError when a folder is missing.
    """
    folders: list[Path] = []
    if recipe["data.sources"]:
        root = data_root()
        if root is None:
            raise UsageError("no images to train on", "set EDGE_ALL_DATA, or name folders under [data] paths")
        folders = source_folders(root, recipe["data.sources"])
    return read_all(folders + [Path(p) for p in recipe["data.paths"]])


def source_folders(root: Path, sources: Sequence[str]) -> list[Path]:
    """Return the folders of some sources under a data folder, sorted; other folders there are ignored.

    Raises UsageError when one is missing.
    """
    names = sorted(set(sources))
    missing = [name for name in names if not (root / name).is_dir()]
    if missing:
        raise UsageError(
            f"{root} has no folder {', '.join(missing)}, which the recipe lists as a source",
            "add it, set EDGE_ALL_DATA to the folder that contains it, or change [data] sources",
        )
    return [root / name for name in names]


def sets_sha256(data: Sequence[DataSet]) -> str:
    """Return the SHA-256 of the names, labels and sizes of all images, which detects other data and is fast to read."""
    digest = hashlib.sha256(allidb1.ANNOTATIONS.read_bytes())
    for part in data:
        for cell in part.cells:
            digest.update(f"{cell.path.name} {cell.label} {cell.group} {cell.path.stat().st_size}\n".encode())
        for field in part.fields:
            objects = [(round(o.x_px, 1), round(o.y_px, 1), o.kind) for o in field.objects]
            digest.update(f"{field.file} {field.group} {objects} {field.path.stat().st_size}\n".encode())
    return digest.hexdigest()


@lru_cache(maxsize=4)
def data_sha256(root: Path, sources: tuple[str, ...]) -> str:
    """Return the SHA-256 of some sources under a data folder, without measuring scales.

    Raises UsageError when one is missing.
    """
    return sets_sha256(read_all(source_folders(root, sources), measure=False))


def simulated_fields(recipe: Recipe) -> list[LabeledField]:
    """Draw the recipe's simulated fields."""
    fields: list[LabeledField] = []
    defocus = recipe["simulator.defocus"]
    for i, seed in enumerate(range(*recipe["simulator.seeds"])):
        query = f"{recipe['simulator.query']}&defocus={defocus[i % len(defocus)]}"
        fields += simulated.load(range(seed, seed + 1), recipe["simulator.fields"], query)
    return fields


def detector_fields(data: Sequence[DataSet], recipe: Recipe) -> list[PreparedField]:
    """Prepare all fields for training the detector; damaged images are reported and skipped."""
    prepared = []
    for field in [f for part in data for f in with_scale(part.fields)] + simulated_fields(recipe):
        try:
            prepared.append(prepare(field))
        except OSError as error:
            _log.warning("skipped: %s", error)
    return prepared


def with_scale(fields: Sequence[LabeledField]) -> list[LabeledField]:
    """Return the fields, with unknown scales replaced by the typical scale of their source."""
    unknown = [f.path for f in fields if not f.um_per_px > 0]
    if not unknown:
        return list(fields)
    scale = typical_um_per_px(unknown)
    return [f if f.um_per_px > 0 else replace(f, um_per_px=scale) for f in fields]


def classifier_cells(data: Sequence[DataSet], recipe: Recipe) -> list[TrainingCell]:
    """Prepare the cells for training a classifier: all cells, or only those cut out of their surroundings."""
    from edge_all_export.models.registry import find_classifier

    if recipe["cells"] == "segmented":
        alone = [replace(part, fields=()) for part in data]
        form = find_classifier(recipe["network"]).form
        return [c for c in real_cells(alone, {}, recipe["data.um_per_px"], form) if c.segmented]
    cells = real_cells(data, recipe["background"], recipe["data.um_per_px"])
    for field in simulated_fields(recipe):
        cells += cells_of_field(field, recipe["background"].get("simulator", 0))
    return cells


def real_cells(
    data: Sequence[DataSet],
    background: dict[str, int] | None = None,
    um_per_px: dict[str, float] | None = None,
    segmented_form: CropForm = COARSE,
    form: CropForm = COARSE,
) -> list[TrainingCell]:
    """Return all labeled cells of some datasets.

    Cells are in the form of the network that classifies them. Those cut out of their surroundings are in
    ``segmented_form``, and the others in ``form``. Damaged images are reported and skipped. Raises UsageError when a
    scale is neither known nor measurable.
    """
    cells: list[TrainingCell] = []
    for part in data:
        for field in with_scale(part.fields):
            try:
                cells += cells_of_field(field, (background or {}).get(field.source, 0), form=form)
            except OSError as error:
                _log.warning("skipped: %s", error)
        by_source: dict[str, list[CellFile]] = {}
        for cell in part.cells:
            by_source.setdefault(cell.source, []).append(cell)
        for source, files in by_source.items():
            cells += _single_cells(files, (um_per_px or {}).get(source), segmented_form, form)
    return cells


def _single_cells(
    files: Sequence[CellFile], um_per_px: float | None, segmented_form: CropForm, form: CropForm
) -> list[TrainingCell]:
    scale = um_per_px
    made = []
    for cell in files:
        try:
            on_black = cell.on_black or is_on_black(read_rgb(cell.path))
            known = cell.um_per_px or scale
            if known is None and cell.source == "cnmc":
                known = scale = CNMC_UM_PER_PX
            if known is None:
                known = scale = _measured(files, on_black)
            gain = CNMC_GAIN if cell.source == "cnmc" else (1.0, 1.0, 1.0)
            if on_black:
                found = segmented_cell(cell, known, gain, segmented_form)
            else:
                found = photographed_cell(cell, known, form)
        except OSError as error:
            _log.warning("skipped: %s", error)
            continue
        if found is None:
            _log.warning("skipped: no cell in the middle of %s", cell.path)
        else:
            made.append(found)
    return made


def _measured(files: Sequence[CellFile], on_black: bool) -> float:
    source = files[0].source
    scale = float("nan") if on_black else typical_um_per_px([f.path for f in files])
    if not scale > 0:
        raise UsageError(
            f"the scale of {source} is unknown, and its pictures contain no erythrocytes to measure it by",
            f"set micrometers per pixel: [data.um_per_px] {source} = 0.1 in the recipe, --um-per-px, or a column",
        )
    return scale
