"""Every labeled cell that a recipe of kinds names, cut once and kept."""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge_all.field.detector import decode_peaks, prepare_detector_input
from edge_all.field.illumination import estimate_illumination
from edge_all.inference.base import Engine
from edge_all_export.data.cells import CNMC_GAIN, CNMC_UM_PER_PX, segmented_cell
from edge_all_export.data.crop_form import CropForm
from edge_all_export.data.dataset import CellFile
from edge_all_export.data.kind_crops import SIDE, UM_PER_PX, Cutting, FindPeaks, KindCell, Peak, Pixels, crops_of
from edge_all_export.data.labeled_field import LabeledObject
from edge_all_export.data.sources import cnmc
from edge_all_export.data.sources.allidb1 import ANNOTATIONS
from edge_all_export.data.sources.kind_sources import SOURCES
from edge_all_export.recipes.recipe import Recipe
from edge_all_export.training.datasets import simulated_fields, source_folders

_log = logging.getLogger(__name__)
_DOUBTFUL = 0.02
"""Score from which the detector's peaks are considered."""
_CNMC_CELLS = 150
"""Most cells of each subject and label; more of one subject add little."""
_SIMULATED = Cutting(platelets=2, false_peaks=2)
_CNMC_FORM = CropForm(UM_PER_PX, SIDE, SIDE)


def peaks_by(engine: Engine) -> FindPeaks:
    """Return the shipped detector with a low threshold, as a function of field and scale."""
    scale = engine.contract.um_per_px

    def find(image: Pixels, um_per_px: float) -> Sequence[Peak]:
        prepared = prepare_detector_input(image, um_per_px, estimate_illumination(image), scale)
        heat, log_radius = engine.run(prepared.image[None])
        return [
            (
                (p.x + 0.5) / prepared.scale_x - 0.5,
                (p.y + 0.5) / prepared.scale_y - 0.5,
                p.radius / prepared.scale_x,
                p.score,
            )
            for p in decode_peaks(heat[0], log_radius[0, 0], _DOUBTFUL, scale)
        ]

    return find


def cut_sources(root: Path, recipe: Recipe, find: FindPeaks) -> Iterator[tuple[KindCell, Pixels]]:
    """Cut every cell of the recipe's sources, and of its simulated fields."""
    for name in recipe["data.sources"]:
        _log.info("cutting the cells of %s", name)
        if name == "cnmc":
            yield from _cnmc(root)
            continue
        source = SOURCES[name]
        for field in source.load(root):
            yield from crops_of(field, find, source.cutting)
    for field in simulated_fields(recipe):
        named = tuple(replace(o, kind=_kind_of(o)) for o in field.objects)
        yield from crops_of(replace(field, objects=named), find, _SIMULATED)


def _kind_of(simulated: LabeledObject) -> str:
    """Return the simulator's own word if the datasets' word for the cell is only "normal"."""
    return simulated.detail if simulated.kind == "normal" else simulated.kind


def _cnmc(root: Path) -> Iterator[tuple[KindCell, Pixels]]:
    """Cells cut out on black, put on background level."""
    subjects = defaultdict(list)
    for cell in cnmc.load(root):
        subjects[cell.subject, cell.is_blast].append(cell)
    for (subject, is_blast), cells in sorted(subjects.items()):
        rng = np.random.Generator(np.random.PCG64([*subject.encode(), is_blast]))
        for i in rng.permutation(len(cells))[:_CNMC_CELLS]:
            file = CellFile(cells[i].path, "blast" if is_blast else "normal", cells[i].group, "cnmc", subject)
            cut = segmented_cell(file, CNMC_UM_PER_PX, CNMC_GAIN, _CNMC_FORM)
            if cut is not None:
                name = f"{subject}/{cells[i].path.name}"
                yield KindCell("cnmc", cells[i].group, name, file.label, subject, CNMC_UM_PER_PX), cut.crop


def sources_sha256(root: Path, names: Sequence[str]) -> str:
    """Return the SHA-256 of the names and sizes of the sources' files, which detects other data and is fast to read."""
    digest = hashlib.sha256(ANNOTATIONS.read_bytes())
    for folder in source_folders(root, [SOURCES[name].folder if name in SOURCES else name for name in names]):
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            digest.update(f"{path.relative_to(root)} {path.stat().st_size}\n".encode())
    return digest.hexdigest()
