"""Draw one cell of each kind as optical density."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from edge_all.simulator.shapes import FloatArray, Patch
from edge_all.simulator.stains import AZURE, BLUE, EOSIN, HEMOGLOBIN, MAGENTA, PINK, Stain


class Kind(str, Enum):
    """Kind of a drawn object."""

    NEUTROPHIL = "neutrophil"
    EOSINOPHIL = "eosinophil"
    BASOPHIL = "basophil"
    LYMPHOCYTE = "lymphocyte"
    MONOCYTE = "monocyte"
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
MATURE = (Kind.NEUTROPHIL, Kind.EOSINOPHIL, Kind.BASOPHIL, Kind.LYMPHOCYTE, Kind.MONOCYTE)

RADIUS_UM: dict[Kind, tuple[float, float]] = {
    Kind.NEUTROPHIL: (5.6, 7.6),
    Kind.EOSINOPHIL: (6.0, 8.0),
    Kind.BASOPHIL: (5.2, 7.2),
    Kind.LYMPHOCYTE: (4.2, 5.8),
    Kind.MONOCYTE: (7.0, 9.4),
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


def draw(kind: Kind, radius_um: float, um_per_px: float, stain: Stain, rng: np.random.Generator) -> Drawing:
    """Draw one cell. radius_um: radius of the circle that encloses it."""
    patch = Patch.around(radius_um * 1.35, um_per_px, rng)
    density, cover = _PAINTERS[kind](patch, radius_um, stain)
    return Drawing(np.maximum(density, 0).astype(np.float32), cover)


def _paint(mask: FloatArray, color: FloatArray, amount: npt.ArrayLike = 1.0) -> FloatArray:
    return np.asarray((mask * np.asarray(amount, np.float32))[..., None] * color, np.float32)


def _chromatin(p: Patch, grain: float, contrast: float, strength: float) -> FloatArray:
    """Return the concentration within a nucleus: fine or clumped grains around 1."""
    field = 0.7 * p.noise(grain) + 0.3 * p.noise(grain * 2.5)
    return np.asarray(np.clip(strength * (1 + contrast * field), 0.25 * strength, 2.2 * strength), np.float32)


def _outline(p: Patch, nucleus: FloatArray, radius: float, darker: float) -> FloatArray:
    """Return the density factor of a nuclear membrane, denser toward the edge of the mask."""
    inner = np.clip((nucleus - 0.5) * 2, 0, 1)
    distance = np.hypot(p.x, p.y) / np.float32(radius)
    return np.asarray(1 + darker * inner * np.clip(distance - 0.55, 0, 1), np.float32)


def _lobes(p: Patch, radius: float, count: int, lobe: float) -> FloatArray:
    """Draw a segmented nucleus: lobes along an arc, joined by thin bridges."""
    rng = p.rng
    start, span = rng.uniform(0, 6.3), rng.uniform(2.6, 4.6)
    arc = radius * rng.uniform(0.42, 0.54)
    mask = np.zeros_like(p.x)
    before: tuple[float, float] | None = None
    for i in range(count):
        angle = start + span * i / max(count - 1, 1)
        distance = arc * rng.uniform(0.85, 1.1)
        at = (float(distance * np.cos(angle)), float(distance * np.sin(angle)))
        mask = np.maximum(mask, p.blob(lobe * rng.uniform(0.85, 1.15), at=at, irregular=0.08, oval=0.2))
        if before is not None:
            for t in np.linspace(0.2, 0.8, 4):
                bridge = (before[0] + t * (at[0] - before[0]), before[1] + t * (at[1] - before[1]))
                mask = np.maximum(mask, p.blob(lobe * 0.3, at=bridge, irregular=0, oval=0))
        before = at
    return mask


def _granulocyte(p: Patch, r: float, stain: Stain, kind: Kind) -> tuple[FloatArray, FloatArray]:
    rng = p.rng
    cell = p.blob(r, irregular=0.03, oval=0.06)
    if kind is Kind.NEUTROPHIL:
        count = int(rng.integers(2, 6))
        lobe = r * {2: 0.36, 3: 0.31, 4: 0.27, 5: 0.25}[count]
        cytoplasm, body = stain.density(PINK), 1.0 + 0.25 * p.noise(0.5)
        grains = p.specks(90, 0.14, cell)[..., None] * stain.density(MAGENTA) * rng.uniform(0.1, 0.35)
    elif kind is Kind.EOSINOPHIL:
        count, lobe = 2, r * 0.38
        cytoplasm, body = stain.density(EOSIN), 0.45 + 0.1 * p.noise(0.6)
        grains = p.specks(170, 0.36, cell)[..., None] * stain.density(EOSIN) * rng.uniform(0.5, 0.8)
    else:
        count, lobe = int(rng.integers(2, 4)), r * 0.4
        cytoplasm, body = stain.density(PINK), 1.1 + 0.2 * p.noise(0.6)
        grains = p.specks(110, 0.42, cell)[..., None] * stain.density(AZURE) * rng.uniform(0.7, 1.1)
    nucleus = _lobes(p, r, count, lobe) * cell
    chromatin = _chromatin(p, 1.1, 0.22, rng.uniform(0.85, 1.3))
    density = _paint(cell, cytoplasm, body) + grains
    density += _paint(nucleus, stain.density(AZURE), chromatin)
    return density, cell


def _neutrophil(p: Patch, r: float, stain: Stain) -> tuple[FloatArray, FloatArray]:
    return _granulocyte(p, r, stain, Kind.NEUTROPHIL)


def _eosinophil(p: Patch, r: float, stain: Stain) -> tuple[FloatArray, FloatArray]:
    return _granulocyte(p, r, stain, Kind.EOSINOPHIL)


def _basophil(p: Patch, r: float, stain: Stain) -> tuple[FloatArray, FloatArray]:
    return _granulocyte(p, r, stain, Kind.BASOPHIL)


def _round_cell(
    p: Patch,
    r: float,
    stain: Stain,
    *,
    nucleus_share: float,
    irregular: float,
    grain: float,
    contrast: float,
    strength: float,
    cytoplasm: FloatArray,
    body: float,
    ragged: float = 0.03,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Draw a cell with one off-center nucleus; return density, cover and nucleus."""
    rng = p.rng
    cell = p.blob(r, irregular=ragged, oval=0.08)
    off = r * (1 - nucleus_share) * rng.uniform(0.2, 0.8)
    angle = rng.uniform(0, 6.3)
    at = (float(off * np.cos(angle)), float(off * np.sin(angle)))
    nucleus = p.blob(r * nucleus_share, at=at, irregular=irregular, oval=0.1, soft=0.25) * cell
    chromatin = _chromatin(p, grain, contrast, strength) * _outline(p, nucleus, r * nucleus_share, 0.15)
    # Cytoplasm is densest at the edge of the cell (the classic basophilic rim).
    rim = 0.75 + 0.5 * np.clip(np.hypot(p.x, p.y) / np.float32(r), 0, 1) ** 3
    density = _paint(cell * (1 - 0.7 * nucleus), cytoplasm, body * rim * (1 + 0.12 * p.noise(0.8)))
    return density + _paint(nucleus, stain.density(AZURE), chromatin), cell, nucleus


def _lymphocyte(p: Patch, r: float, stain: Stain) -> tuple[FloatArray, FloatArray]:
    rng = p.rng
    large = rng.random() < 0.3
    if large:  # large granular lymphocyte: wide pale cytoplasm with a few azurophil granules
        r = r * 1.12
    density, cell, nucleus = _round_cell(
        p,
        r,
        stain,
        nucleus_share=float(rng.uniform(0.58, 0.72) if large else rng.uniform(0.8, 0.92)),
        irregular=0.03,
        grain=1.5,
        contrast=0.28,
        strength=float(rng.uniform(1.15, 1.6)),
        cytoplasm=stain.density(BLUE),
        body=float(rng.uniform(0.2, 0.4)),
    )
    if large:
        density += p.specks(10, 0.2, cell * (1 - nucleus))[..., None] * stain.density(MAGENTA) * 0.7
    return density, cell


def _monocyte(p: Patch, r: float, stain: Stain) -> tuple[FloatArray, FloatArray]:
    rng = p.rng
    cell = p.blob(r, irregular=0.07, oval=0.1)
    angle = rng.uniform(0, 6.3)
    towards = np.array([np.cos(angle), np.sin(angle)])
    at, notch = towards * r * 0.15, -towards * r * rng.uniform(0.35, 0.55)
    nucleus = p.blob(r * 0.62, at=(float(at[0]), float(at[1])), irregular=0.07, oval=0.15, soft=0.3)
    bite = p.blob(r * rng.uniform(0.25, 0.42), at=(float(notch[0]), float(notch[1])), soft=0.4)
    nucleus = nucleus * (1 - bite) * cell
    gray = stain.density(BLUE) * 0.55 + stain.density(PINK) * 0.5
    density = _paint(cell * (1 - 0.6 * nucleus), gray, 0.8 + 0.2 * p.noise(0.6))
    density += _paint(nucleus, stain.density(AZURE), _chromatin(p, 0.9, 0.25, float(rng.uniform(0.65, 0.95))))
    holes = p.specks(int(rng.integers(0, 6)), 0.35, cell * (1 - nucleus))
    return density * (1 - 0.7 * holes[..., None]), cell


def _erythroblast(p: Patch, r: float, stain: Stain) -> tuple[FloatArray, FloatArray]:
    rng = p.rng
    mix = float(rng.uniform(0.2, 0.9))  # from basophilic to orthochromatic: hemoglobin replaces blue
    cytoplasm = stain.density(BLUE) * (1 - mix) * 0.9 + stain.density(HEMOGLOBIN) * (0.4 + 0.6 * mix)
    density, cell, _ = _round_cell(
        p,
        r,
        stain,
        nucleus_share=float(rng.uniform(0.42, 0.68)),
        irregular=0.02,
        grain=1.0,
        contrast=0.3,
        strength=float(rng.uniform(1.5, 2.1)),
        cytoplasm=cytoplasm,
        body=1.0,
    )
    return density, cell


def _l1(p: Patch, r: float, stain: Stain) -> tuple[FloatArray, FloatArray]:
    rng = p.rng
    density, cell, _ = _round_cell(
        p,
        r,
        stain,
        nucleus_share=float(rng.uniform(0.86, 0.95)),
        irregular=0.035,
        grain=0.55,
        contrast=0.1,
        strength=float(rng.uniform(0.85, 1.25)),
        cytoplasm=stain.density(BLUE),
        body=float(rng.uniform(0.6, 1.0)),
    )
    return density, cell


def _nucleoli(p: Patch, nucleus: FloatArray, r: float, count: int) -> FloatArray:
    """Return the density factor of paler bluish spots in the nucleus; 1 = no spot."""
    spots = np.zeros_like(nucleus)
    rows, columns = np.nonzero(nucleus > 0.95)
    if len(rows):
        for i in p.rng.integers(len(rows), size=count):
            at = (float(p.x[0, columns[i]]), float(p.y[rows[i], 0]))
            spots = np.maximum(spots, p.blob(r * p.rng.uniform(0.12, 0.2), at=at, soft=0.5))
    return 1 - 0.38 * spots


def _l2(p: Patch, r: float, stain: Stain) -> tuple[FloatArray, FloatArray]:
    rng = p.rng
    density, cell, nucleus = _round_cell(
        p,
        r,
        stain,
        nucleus_share=float(rng.uniform(0.7, 0.86)),
        irregular=0.14,
        grain=0.7,
        contrast=0.14,
        strength=float(rng.uniform(0.75, 1.15)),
        cytoplasm=stain.density(BLUE),
        body=float(rng.uniform(0.5, 0.9)),
        ragged=0.07,
    )
    if rng.random() < 0.5:  # a cleft: a thin pale line across part of the nucleus
        angle, off = rng.uniform(0, 3.14), rng.uniform(-0.3, 0.3) * r
        line = np.abs(p.x * np.float32(np.sin(angle)) - p.y * np.float32(np.cos(angle)) - np.float32(off))
        half = (p.x * np.float32(np.cos(angle)) + p.y * np.float32(np.sin(angle))) > 0
        density *= 1 - 0.35 * (np.clip(1 - line / 0.35, 0, 1) * half * nucleus)[..., None]
    return density * _nucleoli(p, nucleus, r, int(rng.integers(1, 4)))[..., None], cell


def _l3(p: Patch, r: float, stain: Stain) -> tuple[FloatArray, FloatArray]:
    rng = p.rng
    density, cell, nucleus = _round_cell(
        p,
        r,
        stain,
        nucleus_share=float(rng.uniform(0.7, 0.82)),
        irregular=0.05,
        grain=0.7,
        contrast=0.14,
        strength=float(rng.uniform(0.85, 1.25)),
        cytoplasm=stain.density(BLUE),
        body=float(rng.uniform(1.3, 1.9)),
    )
    vacuoles = p.specks(int(rng.integers(6, 18)), 0.5, cell * (1 - 0.6 * nucleus))
    density = density * _nucleoli(p, nucleus, r, int(rng.integers(0, 3)))[..., None]
    return density * (1 - 0.75 * vacuoles[..., None]), cell


def _smudge(p: Patch, r: float, stain: Stain) -> tuple[FloatArray, FloatArray]:
    rng = p.rng
    angle = np.arctan2(p.y, p.x)
    distance = np.hypot(p.x, p.y)
    edge = np.float32(r * 0.72) * (1 + 0.22 * p.noise(r * 0.5) + 0.1 * p.noise(1.2))
    body = np.clip((edge - distance) / 1.0 + 0.5, 0, 1)
    streaks = np.zeros_like(body)
    for _ in range(int(rng.integers(0, 4))):  # fibers drawn out to one side
        direction, width = rng.uniform(-3.14, 3.14), rng.uniform(0.2, 0.6)
        off_angle = np.abs(np.angle(np.exp(1j * (angle - direction)))).astype(np.float32)
        fibers = 0.5 + 0.5 * np.sin(angle * np.float32(rng.uniform(40, 70)))
        streaks = np.maximum(streaks, np.clip(1 - off_angle / width, 0, 1) * fibers * (distance < r * 1.25))
    amount = rng.uniform(0.5, 1.15) * np.clip(1 + 0.22 * p.noise(0.7) + 0.15 * p.noise(2.0), 0.2, 2)
    mask = np.maximum(body, 0.35 * streaks * np.clip((r * 1.25 - distance) / 1.5, 0, 1))
    holes = p.specks(int(rng.integers(0, 12)), 0.5, body)
    color = stain.density(MAGENTA) * 0.75 + stain.density(AZURE) * rng.uniform(0.1, 0.4)
    return _paint(mask * (1 - 0.6 * holes), color, amount), body


def _platelet(p: Patch, r: float, stain: Stain) -> tuple[FloatArray, FloatArray]:
    body = p.blob(r, irregular=0.15, oval=0.25, soft=0.4)
    grains = p.specks(int(p.rng.integers(4, 12)), 0.18, body)
    density = _paint(body, stain.density(MAGENTA), p.rng.uniform(0.3, 0.7))
    return density + _paint(grains, stain.density(AZURE), 0.6), body * 0


def _clump(p: Patch, r: float, stain: Stain) -> tuple[FloatArray, FloatArray]:
    rng = p.rng
    density = np.zeros((p.side, p.side, 3), np.float32)
    for _ in range(int(rng.integers(4, 13))):
        angle, distance = rng.uniform(0, 6.3), r * np.sqrt(rng.uniform(0, 0.8))
        at = (float(distance * np.cos(angle)), float(distance * np.sin(angle)))
        body = p.blob(float(rng.uniform(0.8, 1.5)), at=at, irregular=0.15, oval=0.2, soft=0.4)
        density = np.maximum(density, _paint(body, stain.density(MAGENTA), rng.uniform(0.4, 0.9)))
        density += _paint(p.specks(5, 0.2, body), stain.density(AZURE), 0.5)
    return density, np.zeros_like(p.x)


def _debris(p: Patch, r: float, stain: Stain) -> tuple[FloatArray, FloatArray]:
    rng = p.rng
    body = p.blob(r, irregular=0.3, oval=0.4, soft=0.2)
    mixed = stain.density(AZURE) * rng.uniform(0.3, 1.2) + stain.density(BLUE) * rng.uniform(0, 0.8)
    return _paint(body, mixed, np.clip(1 + 0.4 * p.noise(0.5), 0.2, 2)), np.zeros_like(p.x)


_Painter = Callable[[Patch, float, Stain], tuple[FloatArray, FloatArray]]
_PAINTERS: dict[Kind, _Painter] = {
    Kind.NEUTROPHIL: _neutrophil,
    Kind.EOSINOPHIL: _eosinophil,
    Kind.BASOPHIL: _basophil,
    Kind.LYMPHOCYTE: _lymphocyte,
    Kind.MONOCYTE: _monocyte,
    Kind.ERYTHROBLAST: _erythroblast,
    Kind.LYMPHOBLAST_L1: _l1,
    Kind.LYMPHOBLAST_L2: _l2,
    Kind.LYMPHOBLAST_L3: _l3,
    Kind.SMUDGE: _smudge,
    Kind.PLATELET: _platelet,
    Kind.CLUMP: _clump,
    Kind.DEBRIS: _debris,
}


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
    return Drawing(_paint(body, stain.density(HEMOGLOBIN), (1 - pale) * rim).astype(np.float32), body)
