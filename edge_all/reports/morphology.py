"""Morphology of cells in the record, measured on request from their saved crops."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from edge_all.cells.crops import PORTRAIT_SIDE
from edge_all.cells.morphology.measurements import Morphology, measure_cell
from edge_all.cells.morphology.segmentation import radius_of
from edge_all.domain.image import Image
from edge_all.record.rows import CellRow


def read_crop(path: Path) -> Image | None:
    """Return a saved crop (RGB uint8), or None if it is missing or damaged. A report is then made without it."""
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except (OSError, cv2.error):
        return None
    return None if decoded is None else np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)


def recorded_morphology(folder: Path, cells: Iterable[CellRow]) -> dict[int, Morphology | None]:
    """Return the morphology by cell number. None means that the crop is not readable or shows no nucleus."""
    measured: dict[int, Morphology | None] = {}
    for cell in cells:
        crop = read_crop(folder / str(cell["crop"])) if cell["crop"] else None
        fits = crop is not None and crop.shape == (PORTRAIT_SIDE, PORTRAIT_SIDE, 3)
        measured[int(cell["cell"])] = (
            measure_cell(crop, radius_of(float(cell["size_um"]))) if fits and crop is not None else None
        )
    return measured
