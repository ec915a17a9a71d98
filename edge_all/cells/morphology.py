"""What a hematologist looks at in a cell, measured: sizes, nucleus, chromatin, cytoplasm. See docs/morphology.md."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.cells.crops import PORTRAIT_UM_PER_PX
from edge_all.cells.segmentation import Floats, Mask, Segmentation, segment_cell
from edge_all.vocabulary import Image

_UM2 = PORTRAIT_UM_PER_PX**2
_OUTLINE_SIGMA_UM = 0.3
"""An outline is smoothed by so much before it is measured: the stairs of its pixels are no length."""
_CHROMATIN_UM = 1.0
"""Texture is what varies within about so many um; slower change is thickness or light."""
_RIM_UM = 0.8
"""So much of the nucleus's rim is left out of what is measured inside: it is mixed with what lies beside it."""
_CYTOPLASM_GAP_UM = 0.4
_LEAST_CYTOPLASM_UM2 = 4.0
_SPOT_UM = 3.2
"""Wider places are no vacuoles and no nucleoli."""
_VACUOLE_UM2 = (0.25, 6.0)
_VACUOLE_DROP = 0.25
"""A vacuole's mean optical density lies so far under its surroundings,"""
_VACUOLE_CLEAR = 0.6
"""and is under this share of them."""
_NUCLEOLUS_UM2 = (0.9, 7.0)
_NUCLEOLUS_DROP = 0.15
"""A nucleolus-like spot is paler than the chromatin around it by so large a share of the nucleus's density."""
_STEPS = 80.0
_COMPACT = 0.45
"""Least share that a spot fills of the circle around it."""


@dataclass(frozen=True)
class Morphology:
    """Measurements of one cell. Sizes of a cell that is cut off by the picture's edge are lower bounds."""

    cell_diameter_um: float
    """Diameter of the circle of the cell's area."""
    nucleus_diameter_um: float
    """Diameter of the circle of the nucleus's area, all lobes."""
    nucleus_to_cell_area: float
    """0 to 1."""
    nuclear_roundness: float
    """4 pi area / outline^2 over all lobes: 1 for a circle, less for any other outline."""
    nuclear_indentation: float
    """Share of the nucleus's convex hull that is not nucleus: 0 for an oval, about 0.1 for a cleft, more for lobes."""
    chromatin_texture: float
    """Standard deviation of the optical density within 1 um, over the nucleus's mean: coarse chromatin has more."""
    cytoplasm_blueness: float | None
    """(red - blue) / (red + green + blue) of the cytoplasm's optical density, -1 to 1; basophilic cytoplasm is above
    that of the others. None where less than 4 um2 of cytoplasm can be seen."""
    vacuoles: int
    """Round clear places in the cell, 0.6 to 2.8 um wide."""
    vacuole_area: float
    """Share of the cell's area, 0 to 1."""
    nucleolus_like_spots: int
    """Round places in the nucleus, 1.1 to 3 um wide, paler than the chromatin around them."""
    cut: bool
    """The cell reaches beyond the picture."""

    def as_dict(self) -> dict[str, float | int | bool | None]:
        """By name, rounded to four places."""
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


UNITS: dict[str, str] = {
    "cell_diameter_um": "um",
    "nucleus_diameter_um": "um",
    "nucleus_to_cell_area": "ratio",
    "nuclear_roundness": "ratio",
    "nuclear_indentation": "ratio",
    "chromatin_texture": "ratio",
    "cytoplasm_blueness": "ratio",
    "vacuoles": "count",
    "vacuole_area": "ratio",
    "nucleolus_like_spots": "count",
    "cut": "yes/no",
}


def measure_cell(portrait: Image, radius_px: float) -> Morphology | None:
    """Segment and measure the cell of a portrait, RGB uint8 192 x 192 x 3; None where no nucleus is found.

    radius_px: of the detection, in the portrait's pixels.
    """
    found = segment_cell(portrait, radius_px)
    return None if found is None else measure(found)


def measure(found: Segmentation) -> Morphology:
    """The measurements of a segmented cell."""
    found = _around_cell(found)
    cell_um2, nucleus_um2 = (float(m.sum()) * _UM2 for m in (found.cell, found.nucleus))
    roundness, indentation = _shape(found.nucleus)
    stain = np.asarray(0.6 * found.density[..., 0] + 0.4 * found.density[..., 1], np.float32)
    inner = _eroded(found.nucleus, _RIM_UM)
    vacuoles, vacuole_px, clear = _vacuoles(found)
    return Morphology(
        cell_diameter_um=_diameter(cell_um2),
        nucleus_diameter_um=_diameter(nucleus_um2),
        nucleus_to_cell_area=nucleus_um2 / cell_um2,
        nuclear_roundness=roundness,
        nuclear_indentation=indentation,
        chromatin_texture=_texture(stain, inner & ~clear),
        cytoplasm_blueness=_blueness(found, clear),
        vacuoles=vacuoles,
        vacuole_area=vacuole_px * _UM2 / cell_um2,
        nucleolus_like_spots=_nucleolus_like_spots(stain, inner, clear),
        cut=found.cut,
    )


def _around_cell(found: Segmentation) -> Segmentation:
    """Only the part of the picture with the cell, and what the widest filter sees: a third of the time."""
    left, top, width, height = cv2.boundingRect(found.cell.astype(np.uint8))
    margin = round(_SPOT_UM / PORTRAIT_UM_PER_PX) + 2
    rows = slice(max(0, top - margin), top + height + margin)
    columns = slice(max(0, left - margin), left + width + margin)
    density = np.ascontiguousarray(found.density[rows, columns])
    return Segmentation(found.cell[rows, columns], found.nucleus[rows, columns], density, found.cut)


def _diameter(area: float) -> float:
    return float(2 * np.sqrt(area / np.pi))


def _shape(nucleus: Mask) -> tuple[float, float]:
    """Roundness and indentation, from smoothed outlines."""
    lines, _ = cv2.findContours(nucleus.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outlines = [_smoothed(line[:, 0, :].astype(np.float64)) for line in lines if len(line) >= 8]
    if not outlines:
        return 1.0, 0.0
    area = sum(abs(float(cv2.contourArea(o.astype(np.float32)))) for o in outlines)
    length = sum(float(cv2.arcLength(o.astype(np.float32), True)) for o in outlines)
    hull = cv2.convexHull(np.concatenate(outlines).astype(np.float32))
    around = float(cv2.contourArea(hull))
    return min(4 * np.pi * area / length**2, 1.0), max(1 - area / around, 0.0)


def _smoothed(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A closed outline through a Gaussian low pass along its length."""
    wave = np.fft.rfftfreq(len(points))
    sigma = _OUTLINE_SIGMA_UM / PORTRAIT_UM_PER_PX
    gain = np.exp(-2 * (np.pi * sigma * wave) ** 2)[:, None]
    return np.asarray(np.fft.irfft(np.fft.rfft(points, axis=0) * gain, len(points), axis=0))


def _texture(stain: Floats, inner: Mask) -> float:
    if inner.sum() < 30:
        return 0.0
    weight = inner.astype(np.float32)
    sigma = _CHROMATIN_UM / PORTRAIT_UM_PER_PX / 2
    # Averages over the inside only: what lies around the nucleus must not look like texture.
    mean = cv2.GaussianBlur(stain * weight, (0, 0), sigma) / np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-3)
    return float((stain - mean)[inner].std() / max(float(stain[inner].mean()), 0.05))


def _blueness(found: Segmentation, clear: Mask) -> float | None:
    gap = _dilated(found.nucleus, _CYTOPLASM_GAP_UM)
    cytoplasm = _eroded(found.cell, _CYTOPLASM_GAP_UM) & ~gap & ~clear
    if cytoplasm.sum() * _UM2 < _LEAST_CYTOPLASM_UM2:
        return None
    red, green, blue = (float(v) for v in np.median(found.density[cytoplasm], axis=0))
    return (red - blue) / max(red + green + blue, 0.05)


def _vacuoles(found: Segmentation) -> tuple[int, int, Mask]:
    """How many, their area in pixels, and where."""
    density = np.asarray(found.density.mean(axis=2), np.float32)
    filled, drop = _pale(density)
    pale = (drop > _VACUOLE_DROP) & (density < _VACUOLE_CLEAR * filled) & _eroded(found.cell, 0.5)
    spots = _spots(pale, *_VACUOLE_UM2)
    where = np.zeros(pale.shape, np.bool_)
    for spot in spots:
        where |= spot
    return len(spots), int(where.sum()), _dilated(where, 0.3) if spots else where


def _nucleolus_like_spots(stain: Floats, inner: Mask, clear: Mask) -> int:
    if inner.sum() < 30:
        return 0
    smooth = np.asarray(cv2.GaussianBlur(stain, (0, 0), 2.0))
    # What lies outside counts as dark: the nucleus's edge is no pale spot.
    level = float(np.median(smooth[inner]))
    _, drop = _pale(np.where(inner, smooth, np.float32(level)).astype(np.float32))
    return len(_spots((drop > _NUCLEOLUS_DROP * level) & inner & ~clear, *_NUCLEOLUS_UM2))


def _pale(density: Floats) -> tuple[Floats, Floats]:
    """The density with pale spots of up to 3.2 um filled up (a grey closing), and by how much each pixel was."""
    side = round(_SPOT_UM / PORTRAIT_UM_PER_PX) | 1
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    # A closing only chooses among values: on 8 bits (steps of 0.0125) it takes a quarter of the time.
    coarse = cv2.convertScaleAbs(density, alpha=_STEPS)
    filled = np.asarray(cv2.morphologyEx(coarse, cv2.MORPH_CLOSE, ellipse) / np.float32(_STEPS), np.float32)
    return filled, np.asarray(filled - density, np.float32)


def _spots(mask: Mask, least_um2: float, most_um2: float) -> list[Mask]:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    found = []
    for i in range(1, count):
        area = float(stats[i, cv2.CC_STAT_AREA])
        longest = float(max(stats[i, cv2.CC_STAT_WIDTH], stats[i, cv2.CC_STAT_HEIGHT]))
        if least_um2 <= area * _UM2 <= most_um2 and area >= _COMPACT * np.pi / 4 * longest**2:
            found.append(np.asarray(labels == i))
    return found


def _kernel(um: float) -> npt.NDArray[np.uint8]:
    side = 2 * max(1, round(um / PORTRAIT_UM_PER_PX)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def _eroded(mask: Mask, um: float) -> Mask:
    return np.asarray(cv2.erode(mask.astype(np.uint8), _kernel(um)) > 0)


def _dilated(mask: Mask, um: float) -> Mask:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), _kernel(um)) > 0)
