"""Chromatin, membranes and outlines of nuclei, and what they share with cytoplasm."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.simulator.shapes import FloatArray, Patch

Point = tuple[float, float]


def paint(mask: FloatArray, color: FloatArray, amount: npt.ArrayLike = 1.0) -> FloatArray:
    """Return the density of a dye where the mask is."""
    return np.asarray((mask * np.asarray(amount, np.float32))[..., None] * color, np.float32)


def chromatin(p: Patch, strength: float, *, clump_um: float, clumped: float, fine: float) -> FloatArray:
    """Return the concentration of the dye within a nucleus.

    Args:
        p: Patch to draw on.
        strength: Mean concentration.
        clump_um: Size of the clumps.
        clumped: Contrast of the clumps with light gaps between them, as in mature cells.
        fine: Contrast of the fine grain, which is all that a blast has.
    """
    gaps = np.clip(p.noise(clump_um) - 0.45, 0, 1.6)
    clumps = np.tanh(1.5 * p.noise(1.4 * clump_um))
    pattern = 1 + clumped * (0.5 * clumps - 0.9 * gaps + 0.2) + fine * p.noise(0.42)
    return np.asarray(strength * np.clip(pattern, 0.3, 1.9), np.float32)


def rim(p: Patch, mask: FloatArray, width_um: float) -> FloatArray:
    """Return 1 at the border of a mask, falling to 0 inside it over this width."""
    soft = np.asarray(cv2.GaussianBlur(mask, (0, 0), max(0.5, width_um / p.um_per_px)), np.float32)
    return np.asarray(mask * np.clip(2 * (1 - soft), 0, 1), np.float32)


def nuclear(p: Patch, nucleus: FloatArray, dye: FloatArray, amount: FloatArray, membrane: float = 0.22) -> FloatArray:
    """Return the density of a nucleus, with its membrane as a thin denser line."""
    return paint(nucleus, dye, amount * (1 + membrane * rim(p, nucleus, 0.22)))


def nucleoli(p: Patch, nucleus: FloatArray, r: float, count: int) -> FloatArray:
    """Return the density factor of paler bluish spots in the nucleus; 1 = no spot."""
    spots = np.zeros_like(nucleus)
    rows, columns = np.nonzero(cv2.erode(nucleus, np.ones((5, 5), np.uint8)) > 0.95)
    if len(rows):
        for i in p.rng.integers(len(rows), size=count):
            at = (float(p.x[0, columns[i]]), float(p.y[rows[i], 0]))
            spots = np.maximum(spots, p.blob(r * p.rng.uniform(0.12, 0.19), at=at, soft=0.6))
    return np.asarray(1 - 0.3 * spots, np.float32)


def turned(points: Sequence[Point], angle: float) -> list[Point]:
    """Turn points around the center."""
    c, s = float(np.cos(angle)), float(np.sin(angle))
    return [(c * x - s * y, s * x + c * y) for x, y in points]


def tube(p: Patch, points: Sequence[Point], radii: Sequence[float], soft: float = 0.25) -> FloatArray:
    """Draw a body of varying width along a line of points."""
    mask = np.zeros_like(p.x)
    steps = np.linspace(0, len(points) - 1, 6 * (len(points) - 1) + 1)
    index = np.arange(len(points))
    xs, ys = np.interp(steps, index, [a for a, _ in points]), np.interp(steps, index, [b for _, b in points])
    for x, y, radius in zip(xs, ys, np.interp(steps, index, radii), strict=True):
        mask = np.maximum(mask, p.blob(float(radius), at=(float(x), float(y)), irregular=0, oval=0, soft=soft))
    return mask


def rounded(p: Patch, mask: FloatArray, radius_um: float) -> FloatArray:
    """Return a mask without corners and gaps smaller than this radius."""
    soft = cv2.GaussianBlur(mask, (0, 0), max(0.5, radius_um / p.um_per_px))
    return np.asarray(np.clip((soft - 0.5) * (4 * radius_um / 0.25) * 0.5 + 0.5, 0, 1), np.float32)


def indented(p: Patch, radius: float, at: Point, depth: float, *, irregular: float = 0.04) -> FloatArray:
    """Draw a nucleus with a notch on one side. depth: 0 = none, 0.5 = kidney, 1 = horseshoe."""
    body = p.blob(radius, at=at, irregular=irregular, oval=0.12, soft=0.25)
    if depth <= 0:
        return body
    angle = p.rng.uniform(0, 6.3)
    away = [radius * 1.3, radius * (1.05 - 0.85 * depth)]
    line = [(float(at[0] + d * np.cos(angle)), float(at[1] + d * np.sin(angle))) for d in away]
    wide = radius * p.rng.uniform(0.25, 0.45)
    notch = tube(p, line, [wide, 0.35 * wide])
    return rounded(p, np.asarray(body * (1 - notch), np.float32), 0.45)


def eccentric(p: Patch, r: float, share: float) -> Point:
    """Return a place for a nucleus of this share of the cell's radius, off the center but within the cell."""
    off = r * (1 - share) * p.rng.uniform(0.2, 0.85)
    angle = p.rng.uniform(0, 6.3)
    return float(off * np.cos(angle)), float(off * np.sin(angle))
