"""Cells with one nucleus: lymphocytes, monocytes, erythroblasts and the three forms of lymphoblasts."""

from __future__ import annotations

import numpy as np

from edge_all.simulator.nucleus import (
    chromatin,
    eccentric,
    indented,
    nuclear,
    nucleoli,
    paint,
    rim,
    rounded,
    tube,
    turned,
)
from edge_all.simulator.shapes import FloatArray, Patch
from edge_all.simulator.stains import AZURE, BLUE, MAGENTA, PINK, Stain


def lymphocyte(p: Patch, r: float, stain: Stain) -> tuple[FloatArray, FloatArray]:
    """Draw a small lymphocyte, or a large one with wide pale cytoplasm and a few azurophil granules."""
    rng = p.rng
    large = rng.random() < 0.3
    r = r * 1.15 if large else r
    cell = p.warped(p.blob(r, irregular=0.04 if large else 0.02, oval=0.1), 0.18 if large else 0.1, 2.5)
    share = float(rng.uniform(0.6, 0.74) if large else rng.uniform(0.8, 0.92))
    depth = float(rng.uniform(0.1, 0.4) if rng.random() < 0.3 else 0.0)
    nucleus = p.warped(indented(p, r * share, eccentric(p, r, share), depth, irregular=0.025), 0.1, 2.0) * cell
    body = stain.density(BLUE) * (rng.uniform(0.22, 0.4) if large else rng.uniform(0.4, 0.75))
    density = paint(cell * (1 - 0.7 * nucleus), body, (1 + 0.1 * p.noise(0.6)) * (0.85 + 0.35 * rim(p, cell, 0.5)))
    amount = chromatin(p, float(rng.uniform(1.25, 1.6)), clump_um=0.95, clumped=0.26, fine=0.07)
    density += nuclear(p, nucleus, stain.density(AZURE), amount, 0.15)
    if large:
        granules = p.specks(int(rng.integers(3, 12)), 0.18, cell * (1 - nucleus))
        density += paint(granules, stain.density(MAGENTA), 0.7)
    return density, cell


def _folded(p: Patch, r: float) -> FloatArray:
    """Draw a monocyte's nucleus: a kidney, a horseshoe or a folded, lobed body."""
    rng = p.rng
    form = int(rng.choice(3, p=[0.45, 0.25, 0.3]))
    if form == 0:
        nucleus = indented(p, r * rng.uniform(0.62, 0.72), eccentric(p, r, 0.72), float(rng.uniform(0.35, 0.7)))
    elif form == 1:
        span, arc = rng.uniform(2.8, 4.2), r * rng.uniform(0.38, 0.46)
        angles = np.linspace(-span / 2, span / 2, 6)
        line = turned([(float(arc * np.cos(a)), float(arc * np.sin(a))) for a in angles], rng.uniform(0, 6.3))
        nucleus = tube(p, line, [float(r * rng.uniform(0.28, 0.36)) for _ in angles], soft=0.4)
    else:
        nucleus = np.zeros_like(p.x)
        start = rng.uniform(0, 6.3)
        for i in range(3):
            angle, away = start + i * rng.uniform(1.7, 2.3), r * rng.uniform(0.22, 0.34)
            at = (float(away * np.cos(angle)), float(away * np.sin(angle)))
            nucleus = np.maximum(nucleus, p.blob(r * rng.uniform(0.38, 0.46), at=at, irregular=0.06, oval=0.2))
    return p.warped(rounded(p, nucleus, 0.5), 0.22, 2.6)


def monocyte(p: Patch, r: float, stain: Stain) -> tuple[FloatArray, FloatArray]:
    """Draw a monocyte: wide gray-blue cytoplasm like ground glass, vacuoles, lacy chromatin."""
    rng = p.rng
    cell = p.warped(p.blob(r, irregular=0.06, oval=0.14), 0.28, 3.2)
    nucleus = _folded(p, r) * cell
    gray = stain.density(BLUE) * rng.uniform(0.45, 0.7) + stain.density(PINK) * rng.uniform(0.5, 0.8)
    ground = 1 + 0.1 * p.noise(0.4) + 0.08 * p.noise(1.2)
    density = paint(cell * (1 - 0.6 * nucleus), gray, ground * (0.92 + 0.2 * rim(p, cell, 0.4)))
    # Strands with light gaps between them: fine clumps of high contrast.
    amount = chromatin(p, float(rng.uniform(0.9, 1.2)), clump_um=0.62, clumped=0.25, fine=0.1)
    density += nuclear(p, nucleus, stain.density(AZURE), amount)
    holes = p.specks(int(rng.integers(0, 8)), 0.36, cell * (1 - nucleus))
    return density * (1 - 0.75 * holes[..., None]), cell


def erythroblast(p: Patch, r: float, stain: Stain) -> tuple[FloatArray, FloatArray]:
    """Draw an erythroblast, basophilic to orthochromatic: the nucleus shrinks and hemoglobin replaces blue."""
    rng = p.rng
    age = float(rng.uniform(0, 1))
    r = r * (1.1 - 0.2 * age)
    cell = p.warped(p.blob(r, irregular=0.04, oval=0.1), 0.16, 2.2)
    share = 0.76 - 0.3 * age + float(rng.uniform(-0.04, 0.04))
    nucleus = p.blob(r * share, at=eccentric(p, r, share * 1.15), irregular=0.02, oval=0.08, soft=0.25) * cell
    body = stain.density(BLUE) * (1.0 - 0.72 * age) + stain.density(stain.hemoglobin) * (0.15 + 0.6 * age)
    halo = rim(p, np.asarray(1 - nucleus, np.float32), 0.5) * cell
    density = paint(cell * (1 - 0.7 * nucleus) * (1 - 0.3 * halo), body, 1 + 0.08 * p.noise(0.7))
    amount = chromatin(
        p, float(rng.uniform(1.35, 1.7)) + 0.25 * age, clump_um=0.95, clumped=0.36 * (1 - 0.75 * age), fine=0.06
    )
    return density + nuclear(p, nucleus, stain.density(AZURE), amount, 0.12), cell


def _blast(
    p: Patch, r: float, stain: Stain, nucleus: FloatArray, cell: FloatArray, blue: float, spots: int
) -> FloatArray:
    rng = p.rng
    body = stain.density(BLUE) * blue + stain.density(MAGENTA) * 0.1
    edge = 0.8 + 0.5 * rim(p, cell, 0.8)  # densest at the edge of the cell: the classic basophilic rim
    density = paint(cell * (1 - 0.7 * nucleus), body, edge * (1 + 0.1 * p.noise(0.8)))
    amount = chromatin(p, float(rng.uniform(0.85, 1.2)), clump_um=1.2, clumped=0.07, fine=0.14)
    return density + nuclear(p, nucleus, stain.density(AZURE), amount * nucleoli(p, nucleus, r, spots), 0.12)


def lymphoblast_l1(p: Patch, r: float, stain: Stain) -> tuple[FloatArray, FloatArray]:
    """Draw an L1 blast: small, even, next to no cytoplasm, fine chromatin."""
    rng = p.rng
    cell = p.warped(p.blob(r, irregular=0.025, oval=0.1), 0.14, 2.5)
    share = float(rng.uniform(0.86, 0.95))
    depth = float(rng.uniform(0.05, 0.3) if rng.random() < 0.4 else 0.0)
    nucleus = p.warped(indented(p, r * share, eccentric(p, r, share), depth, irregular=0.025), 0.1, 2.0) * cell
    spots = 1 if rng.random() < 0.3 else 0
    return _blast(p, r, stain, nucleus, cell, float(rng.uniform(0.7, 1.1)), spots), cell


def lymphoblast_l2(p: Patch, r: float, stain: Stain) -> tuple[FloatArray, FloatArray]:
    """Draw an L2 blast: large, uneven, with a cleft or indented nucleus and visible nucleoli."""
    rng = p.rng
    cell = p.warped(p.blob(r, irregular=0.06, oval=0.14), 0.28, 3.2)
    share = float(rng.uniform(0.74, 0.88))
    depth = float(rng.uniform(0.25, 0.6) if rng.random() < 0.6 else rng.uniform(0, 0.2))
    nucleus = indented(p, r * share, eccentric(p, r, share), depth, irregular=0.05)
    nucleus = p.warped(nucleus, 0.24, 3.0) * cell
    density = _blast(p, r, stain, nucleus, cell, float(rng.uniform(0.5, 0.9)), int(rng.integers(1, 4)))
    if rng.random() < 0.4:  # a cleft: a thin pale line across part of the nucleus
        angle, off = rng.uniform(0, 3.14), rng.uniform(-0.3, 0.3) * r
        line = np.abs(p.x * np.float32(np.sin(angle)) - p.y * np.float32(np.cos(angle)) - np.float32(off))
        half = (p.x * np.float32(np.cos(angle)) + p.y * np.float32(np.sin(angle))) > 0
        density *= 1 - 0.3 * p.warped(np.asarray(np.clip(1 - line / 0.4, 0, 1) * half * nucleus), 0.3, 2.5)[..., None]
    return density, cell


def lymphoblast_l3(p: Patch, r: float, stain: Stain) -> tuple[FloatArray, FloatArray]:
    """Draw an L3 blast: deep blue cytoplasm with vacuoles, some of them on the round nucleus."""
    rng = p.rng
    cell = p.warped(p.blob(r, irregular=0.04, oval=0.1), 0.18, 2.8)
    share = float(rng.uniform(0.74, 0.86))
    nucleus = p.warped(p.blob(r * share, at=eccentric(p, r, share), irregular=0.03, oval=0.1), 0.14, 2.2) * cell
    density = _blast(p, r, stain, nucleus, cell, float(rng.uniform(1.2, 1.7)), int(rng.integers(0, 3)))
    vacuoles = p.specks(int(rng.integers(6, 18)), 0.45, cell * (1 - 0.45 * nucleus))
    return density * (1 - 0.7 * vacuoles[..., None]), cell
