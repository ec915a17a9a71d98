"""Cells classified by an engine, as the device classifies them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_all.cells.classifier import CellClassifier
from edge_all.domain.types import Classification
from edge_all.errors import UsageError
from edge_all.inference.base import Engine
from edge_all.inference.contract import Contract
from edge_all_export.data.cells import TrainingCell
from edge_all_export.data.classes import BLAST, SCORED
from edge_all_export.data.classifier_samples import plain_view
from edge_all_export.data.crop_form import CropForm
from edge_all_export.data.splits import matches


@dataclass(frozen=True, eq=False)
class ClassifiedCell:
    """A classified cell. seen: whether the model was trained on its group. cut: its two-way threshold."""

    cell: TrainingCell
    classification: Classification
    seen: bool
    cut: float

    @property
    def is_suspect(self) -> bool:
        """True if the blast probability is at least the two-way threshold."""
        return self.classification.blast_probability >= self.cut

    @property
    def group(self) -> str:
        """Group of the cell, "source/group"."""
        return f"{self.cell.source}/{self.cell.group}"


@dataclass(frozen=True, eq=False)
class Scored:
    """Labeled cells as arrays.

    probability: of blast, 0 to 1. label: given by the model. suspect: over the two-way threshold.
    """

    probability: npt.NDArray[np.float64]
    is_blast: npt.NDArray[np.bool_]
    group: npt.NDArray[np.str_]
    label: npt.NDArray[np.str_]
    suspect: npt.NDArray[np.bool_]


def classify_cells(
    engine: Engine, cells: Sequence[TrainingCell], advance: Callable[[int], None] = lambda _: None
) -> list[ClassifiedCell]:
    """Classify cells, in order. Raises UsageError when the model needs crops of another form."""
    contract = engine.contract
    for form in {c.form for c in cells}:
        if contract.input_px != form.side or abs(contract.um_per_px - form.um_per_px) > 1e-6:
            raise UsageError(
                f"{contract.name} takes {contract.input_px} px at {contract.um_per_px} um per px; "
                f"cells are cut at {form.side} px and {form.um_per_px}",
                "evaluate it with the version of edge-all that created it",
            )
    classifier = CellClassifier(engine)
    cut = two_way_threshold(contract)
    classified: list[ClassifiedCell] = []
    for start in range(0, len(cells), 64):
        part = cells[start : start + 64]
        for cell, classification in zip(part, classifier.classify([plain_view(c) for c in part]), strict=True):
            classified.append(ClassifiedCell(cell, classification, was_seen(engine, cell), cut))
        advance(len(part))
    return classified


def two_way_threshold(contract: Contract) -> float:
    """Return the blast probability from which a cell counts as a blast in two-way figures.

    A classifier of kinds has no threshold of its own for that; its figures are about the cells that it flags.
    """
    of_labels = contract.thresholds["normal" if contract.gives_kinds else "blast"]
    return float(contract.extra.get("suspect", of_labels))


def form_for(contract: Contract) -> CropForm:
    """Return the form of crops that a contract requires, no wider than the network's input."""
    return CropForm(contract.um_per_px, contract.input_px, contract.input_px, contract.window == "disc")


def was_seen(engine: Engine, cell: TrainingCell) -> bool:
    """Return whether the contract lists the cell's group among those trained on.

    A file without groups counts as having seen all groups of its sources.
    """
    contract = engine.contract
    seen = contract.extra.get("seen_groups")
    if seen is not None:
        return any(matches(str(entry), cell.source, cell.group) for entry in seen)
    unseen = any(matches(entry, cell.source, cell.group) for entry in contract.unseen_groups)
    return cell.source in contract.training_data and not unseen


def scored(classified: Sequence[ClassifiedCell]) -> Scored:
    """Return the cells labeled blast or normal as arrays."""
    known = [j for j in classified if j.cell.kind in SCORED]
    return Scored(
        np.array([j.classification.blast_probability for j in known], np.float64),
        np.array([j.cell.kind == BLAST for j in known], bool),
        np.array([j.group for j in known], np.str_),
        np.array([str(j.classification.label) for j in known], np.str_),
        np.array([j.is_suspect for j in known], bool),
    )
