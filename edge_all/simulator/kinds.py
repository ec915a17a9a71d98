"""Draw one cell of each kind as optical density."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np

from edge_all.simulator import granulocytes, mononuclear, not_cells
from edge_all.simulator.nucleus import paint
from edge_all.simulator.shapes import FloatArray, Patch
from edge_all.simulator.stains import Stain


class Kind(str, Enum):
    """Kind of a drawn object."""

    NEUTROPHIL = "neutrophil"
    EOSINOPHIL = "eosinophil"
    BASOPHIL = "basophil"
    LYMPHOCYTE = "lymphocyte"
    MONOCYTE = "monocyte"
    IMMATURE_GRANULOCYTE = "immature_granulocyte"
    ERYTHROBLAST = "erythroblast"
    LYMPHOBLAST_L1 = "lymphoblast_l1"
    LYMPHOBLAST_L2 = "lymphoblast_l2"
    LYMPHOBLAST_L3 = "lymphoblast_l3"
    SMUDGE = "smudge"
    PLATELET = "platelet"
    CLUMP = "clump"
    DEBRIS = "debris"

    def __str__(self) -> str:
        return self.value


BLASTS = (Kind.LYMPHOBLAST_L1, Kind.LYMPHOBLAST_L2, Kind.LYMPHOBLAST_L3)
NORMAL = (
    Kind.NEUTROPHIL,
    Kind.EOSINOPHIL,
    Kind.BASOPHIL,
    Kind.LYMPHOCYTE,
    Kind.MONOCYTE,
    Kind.IMMATURE_GRANULOCYTE,
)
"""Leukocytes that are not blasts."""

RADIUS_UM: dict[Kind, tuple[float, float]] = {
    Kind.NEUTROPHIL: (5.6, 7.4),
    Kind.EOSINOPHIL: (6.0, 8.0),
    Kind.BASOPHIL: (5.2, 7.2),
    Kind.LYMPHOCYTE: (4.2, 5.8),
    Kind.MONOCYTE: (7.0, 9.2),
    Kind.IMMATURE_GRANULOCYTE: (6.2, 9.0),
    Kind.ERYTHROBLAST: (4.2, 6.0),
    Kind.LYMPHOBLAST_L1: (5.2, 6.4),
    Kind.LYMPHOBLAST_L2: (6.0, 8.8),
    Kind.LYMPHOBLAST_L3: (6.2, 8.2),
    Kind.SMUDGE: (6.0, 11.0),
    Kind.PLATELET: (0.9, 1.7),
    Kind.CLUMP: (2.5, 5.5),
    Kind.DEBRIS: (0.6, 2.2),
}
"""Smallest and largest radius of each kind, um."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """One drawn cell."""

    density: FloatArray
    """Optical density, float32 side x side x 3, natural logarithm, 0 = clear. The cell's center is the middle pixel."""
    cover: FloatArray
    """Area where the cell displaces erythrocytes, float32 side x side, 0 to 1."""


_Painter = Callable[[Patch, float, Stain], tuple[FloatArray, FloatArray]]
_PAINTERS: dict[Kind, _Painter] = {
    Kind.NEUTROPHIL: granulocytes.neutrophil,
    Kind.EOSINOPHIL: granulocytes.eosinophil,
    Kind.BASOPHIL: granulocytes.basophil,
    Kind.LYMPHOCYTE: mononuclear.lymphocyte,
    Kind.MONOCYTE: mononuclear.monocyte,
    Kind.IMMATURE_GRANULOCYTE: granulocytes.immature_granulocyte,
    Kind.ERYTHROBLAST: mononuclear.erythroblast,
    Kind.LYMPHOBLAST_L1: mononuclear.lymphoblast_l1,
    Kind.LYMPHOBLAST_L2: mononuclear.lymphoblast_l2,
    Kind.LYMPHOBLAST_L3: mononuclear.lymphoblast_l3,
    Kind.SMUDGE: not_cells.smudge,
    Kind.PLATELET: not_cells.platelet,
    Kind.CLUMP: not_cells.clump,
    Kind.DEBRIS: not_cells.debris,
}


def draw(kind: Kind, radius_um: float, um_per_px: float, stain: Stain, rng: np.random.Generator) -> Drawing:
    """Draw one cell. radius_um: radius of the circle that encloses it."""
    patch = Patch.around(radius_um * 1.35, um_per_px, rng)
    density, cover = _PAINTERS[kind](patch, radius_um, stain)
    return Drawing(np.maximum(density, 0).astype(np.float32), cover)


def draw_erythrocyte(um_per_px: float, stain: Stain, rng: np.random.Generator) -> Drawing:
    """Draw an erythrocyte, 6.2 to 8.2 um wide, with its pale center."""
    radius = float(np.clip(rng.normal(3.6, 0.22), 3.1, 4.1))
    p = Patch.around(radius * 1.2, um_per_px, rng)
    body = p.blob(radius, irregular=0.03, oval=0.1, soft=0.3)
    distance = np.hypot(p.x, p.y) / np.float32(radius)
    width = np.float32(rng.uniform(0.32, 0.55))
    pale = np.float32(rng.uniform(0.15, 0.95)) * np.exp(-((distance / width) ** np.float32(rng.uniform(2, 5))))
    # The rim refracts: a thin darker line inside.
    rim = 1 + 0.35 * np.exp(-(((distance - 0.88) / 0.1) ** 2))
    return Drawing(paint(body, stain.density(stain.hemoglobin), (1 - pale) * rim).astype(np.float32), body)
