"""Measurement of a cell's morphology: size, nucleus, chromatin and cytoplasm. See docs/morphology.md."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.cells.crops import PORTRAIT_UM_PER_PX
from edge_all.cells.morphology.segmentation import Floats, Mask, Segmentation, segment_cell
from edge_all.domain.image import Image

_UM2 = PORTRAIT_UM_PER_PX**2
_OUTLINE_SIGMA_UM = 0.3
"""Smoothing of an outline before it is measured, so that pixel steps do not add to its length."""
_CHROMATIN_UM = 1.0
"""Length scale of chromatin texture; slower variation is thickness or light."""
_RIM_UM = 0.8
"""Width of the nucleus's rim that is excluded from measurements inside, because it mixes with its surroundings."""
_CYTOPLASM_GAP_UM = 0.4
_LEAST_CYTOPLASM_UM2 = 4.0
_SPOT_UM = 3.2
"""Largest width of vacuoles and nucleoli."""
_VACUOLE_UM2 = (0.25, 6.0)
_VACUOLE_DROP = 0.25
"""Least difference of a vacuole's optical density to its surroundings."""
_VACUOLE_CLEAR = 0.6
"""Largest ratio of a vacuole's optical density to its surroundings."""
_NUCLEOLUS_UM2 = (0.9, 7.0)
_NUCLEOLUS_DROP = 0.15
"""Least difference of a nucleolus-like spot to the chromatin around it, as a share of the nucleus's density."""
_STEPS = 80.0
_COMPACT = 0.45
"""Least share of the circle around a spot that the spot fills."""


@dataclass(frozen=True)
class Morphology:
    """Measurements of one cell. If the image edge cuts the cell, the sizes are lower bounds."""

    cell_diameter_um: float
    """Diameter of a circle with the cell's area."""
    nucleus_diameter_um: float
    """Diameter of a circle with the area of the nucleus, all lobes included."""
    nucleus_to_cell_area: float
    """Ratio of the areas of nucleus and cell, 0 to 1."""
    nuclear_roundness: float
    """4 pi area / outline^2 over all lobes: 1 for a circle, less for any other shape."""
    nuclear_indentation: float
    """Share of the nucleus's convex hull outside the nucleus: 0 for an oval, about 0.1 for a cleft, more for lobes."""
    chromatin_texture: float
    """Standard deviation of the optical density within 1 um, relative to the nucleus's mean; higher for coarse
    chromatin."""
    cytoplasm_blueness: float | None
    """(red - blue) / (red + green + blue) of the cytoplasm's optical density, -1 to 1; higher for basophilic cytoplasm.
    None if less than 4 um2 of cytoplasm is visible."""
    vacuoles: int
    """Number of round clear areas in the cell, 0.6 to 2.8 um wide."""
    vacuole_area: float
    """Share of the cell's area covered by vacuoles, 0 to 1."""
    nucleolus_like_spots: int
    """Number of round areas in the nucleus, 1.1 to 3 um wide, that are paler than the chromatin around them."""
    cut: bool
    """True if the cell extends beyond the image."""

    def as_dict(self) -> dict[str, float | int | bool | None]:
        """Return the measurements by name, rounded to four decimal places."""
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
    """Segment and measure the cell of a portrait, RGB uint8, 192 x 192 x 3. Returns None if no nucleus is found.

    `radius_px` is the radius of the detection in the portrait's pixels.
    """
    found = segment_cell(portrait, radius_px)
    return None if found is None else measure(found)


def measure(found: Segmentation) -> Morphology:
    """Measure a segmented cell."""
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
    """Crop to the cell plus the reach of the widest filter, which takes a third of the time."""
    left, top, width, height = cv2.boundingRect(found.cell.astype(np.uint8))
    margin = round(_SPOT_UM / PORTRAIT_UM_PER_PX) + 2
    rows = slice(max(0, top - margin), top + height + margin)
    columns = slice(max(0, left - margin), left + width + margin)
    density = np.ascontiguousarray(found.density[rows, columns])
    return Segmentation(found.cell[rows, columns], found.nucleus[rows, columns], density, found.cut)


def _diameter(area: float) -> float:
    return float(2 * np.sqrt(area / np.pi))


def _shape(nucleus: Mask) -> tuple[float, float]:
    """Return roundness and indentation, from smoothed outlines."""
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
    """Smooth a closed outline with a Gaussian low pass along its length."""
    wave = np.fft.rfftfreq(len(points))
    sigma = _OUTLINE_SIGMA_UM / PORTRAIT_UM_PER_PX
    gain = np.exp(-2 * (np.pi * sigma * wave) ** 2)[:, None]
    return np.asarray(np.fft.irfft(np.fft.rfft(points, axis=0) * gain, len(points), axis=0))


def _texture(stain: Floats, inner: Mask) -> float:
    if inner.sum() < 30:
        return 0.0
    weight = inner.astype(np.float32)
    sigma = _CHROMATIN_UM / PORTRAIT_UM_PER_PX / 2
    # Average over the inside only, because the surroundings of the nucleus must not look like texture.
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
    """Return the number of vacuoles, their area in pixels, and a mask of them."""
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
    # The outside counts as dark, so that the nucleus's edge does not look like a pale spot.
    level = float(np.median(smooth[inner]))
    _, drop = _pale(np.where(inner, smooth, np.float32(level)).astype(np.float32))
    return len(_spots((drop > _NUCLEOLUS_DROP * level) & inner & ~clear, *_NUCLEOLUS_UM2))


def _pale(density: Floats) -> tuple[Floats, Floats]:
    """Return the density with pale spots of up to 3.2 um filled (a gray closing), and the amount filled per pixel."""
    side = round(_SPOT_UM / PORTRAIT_UM_PER_PX) | 1
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    # A closing only selects among values, so with 8 bits (steps of 0.0125) it takes a quarter of the time.
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
