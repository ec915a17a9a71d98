"""All training sets at once, and a hash that names them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from edge_all_export.classifier.cells import TrainingCell, cells_of, cells_of_field, segmented_cell
from edge_all_export.data import allidb1, bccd, cnmc, draaslan, pbc, simulated
from edge_all_export.data.labelled_field import LabelledField
from edge_all_export.detector.samples import PreparedField, prepare
from edge_all_export.recipe import Recipe

FIELD_SETS = {"allidb1": allidb1.load, "bccd": bccd.load, "draaslan": draaslan.load, "pbc": pbc.load}


def data_sha256(root: Path) -> str:
    """Of the label files of every set and the sizes of the images: notices other data, reads fast."""
    digest = hashlib.sha256()
    for name in ("allidb1", "bccd", "draaslan", "pbc", "cnmc"):
        for path in sorted((root / name).rglob("*")):
            if path.is_file():
                digest.update(f"{path.relative_to(root)} {path.stat().st_size}\n".encode())
                if path.suffix == ".csv":
                    digest.update(path.read_bytes())
    digest.update(allidb1.ANNOTATIONS.read_bytes())
    return digest.hexdigest()


def real_fields(root: Path) -> dict[str, list[LabelledField]]:
    """Every labelled field, by set."""
    return {name: load(root) for name, load in FIELD_SETS.items()}


def simulated_fields(recipe: Recipe) -> list[LabelledField]:
    """The simulator's share of a recipe."""
    s = recipe["simulator"]
    fields: list[LabelledField] = []
    for i, seed in enumerate(range(*s["seeds"])):
        defocus = s["defocus"][i % len(s["defocus"])]
        fields += simulated.load(range(seed, seed + 1), s["fields"], f"{s['query']}&defocus={defocus}")
    return fields


def detector_fields(root: Path, recipe: Recipe) -> list[PreparedField]:
    """Everything the detector trains on."""
    real = [prepare(f) for fields in real_fields(root).values() for f in fields]
    return real + [prepare(f) for f in simulated_fields(recipe)]


def classifier_cells(root: Path, recipe: Recipe) -> list[TrainingCell]:
    """Everything the classifier trains on."""
    cells: list[TrainingCell] = []
    for name, fields in real_fields(root).items():
        cells += cells_of(fields, recipe["background"].get(name, 0))
    cells += [c for c in map(segmented_cell, cnmc.load(root)) if c is not None]
    for field in simulated_fields(recipe):
        cells += cells_of_field(field, recipe["background"]["simulator"])
    return cells
