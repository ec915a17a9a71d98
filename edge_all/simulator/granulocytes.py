"""Granulocytes: neutrophils (segmented and band), eosinophils, basophils and immature forms."""

from __future__ import annotations

import numpy as np

from edge_all.simulator.nucleus import (
    Point,
    chromatin,
    eccentric,
    indented,
    nuclear,
    nucleoli,
    paint,
    rounded,
    tube,
    turned,
)
from edge_all.simulator.shapes import FloatArray, Patch
from edge_all.simulator.stains import AZURE, BLUE, EOSIN, MAGENTA, PINK, Stain

_BANDS = 0.12
"""Share of band forms among neutrophils."""


def _at(distance: float, angle: float) -> Point:
    return float(distance * np.cos(angle)), float(distance * np.sin(angle))


def _lobes(p: Patch, r: float, count: int, lobe: float, waist: float) -> FloatArray:
    """Draw a segmented nucleus: lobes along a bent line, with waists between them.

    Args:
        p: Patch to draw on.
        r: Radius of the cell.
        count: Number of lobes.
        lobe: Half the width of a lobe.
        waist: Half the width between two lobes.
    """
    rng = p.rng
    span = rng.uniform(0.9, 1.2) * (2.2, 3.3, 4.3, 5.0)[count - 2]
    arc = r * rng.uniform(0.44, 0.54)
    line: list[Point] = []
    widths: list[float] = []
    reach, step = 0.25 * lobe / arc, span / (count - 1)
    for i in range(count):
        angle, away = step * i - span / 2, arc * rng.uniform(0.85, 1.15)
        size = lobe * rng.uniform(0.82, 1.15)
        if i:
            between = arc * rng.uniform(0.8, 1.05)
            line += [_at(between, angle - step * t) for t in (0.62, 0.38)]
            widths += [float(waist * rng.uniform(0.7, 1.3))] * 2
        line += [_at(away, angle - reach), _at(away, angle + reach)]  # a lobe is longer than wide
        widths += [float(size), float(size * rng.uniform(0.85, 1.15))]
    off = arc * rng.uniform(0.0, 0.35)  # shorter nuclei are nearer to the middle
    line = [(x - float(off), y) for x, y in line] if span < 3.2 else line
    return p.warped(rounded(p, tube(p, turned(line, rng.uniform(0, 6.3)), widths), 0.25), 0.16, 2.0)


def neutrophil(p: Patch, r: float, stain: Stain) -> tuple[FloatArray, FloatArray]:
    """Draw a neutrophil: pale pink cytoplasm with fine granules, two to five lobes or a band."""
    rng = p.rng
    cell = p.warped(p.blob(r, irregular=0.03, oval=0.08), 0.12, 2.5)
    if rng.random() < _BANDS:
        # A bent rod that is hardly narrower between its ends.
        width = float(r * rng.uniform(0.26, 0.31))
        nucleus = _lobes(p, r, 3, width, width * float(rng.uniform(0.7, 0.9))) * cell
    else:
        count = int(rng.choice([2, 3, 4, 5], p=[0.17, 0.42, 0.31, 0.10]))
        lobe = r * (0.34, 0.28, 0.24, 0.21)[count - 2]
        nucleus = _lobes(p, r, count, lobe, lobe * float(rng.uniform(0.15, 0.5))) * cell
    cytoplasm = stain.density(PINK) * 0.9 + stain.density(BLUE) * rng.uniform(0.05, 0.18)
    density = paint(cell, cytoplasm, 1.0 + 0.12 * p.noise(0.7))
    granules = np.clip(p.noise(0.36) - 0.3, 0, 2) * cell
    density += paint(granules, stain.density(MAGENTA), rng.uniform(0.08, 0.22))
    amount = chromatin(p, float(rng.uniform(1.15, 1.5)), clump_um=0.75, clumped=0.3, fine=0.07)
    return density * (1 - 0.5 * nucleus[..., None]) + nuclear(p, nucleus, stain.density(AZURE), amount), cell


def eosinophil(p: Patch, r: float, stain: Stain) -> tuple[FloatArray, FloatArray]:
    """Draw an eosinophil: round orange granules side by side, two lobes, seldom three."""
    rng = p.rng
    cell = p.warped(p.blob(r, irregular=0.03, oval=0.08), 0.14, 2.5)
    count = int(rng.choice([2, 3], p=[0.75, 0.25]))
    lobe = r * (0.35, 0.28)[count - 2]
    nucleus = _lobes(p, r, count, lobe, lobe * float(rng.uniform(0.2, 0.6))) * cell
    packed = np.clip(0.85 + 0.28 * p.noise(0.62), 0.2, 1.5)
    granules = p.specks(int(1.3 * r * r * 3), 0.34, cell) * 0.35 + packed * cell
    density = paint(granules * (1 - 0.85 * nucleus), stain.density(EOSIN), rng.uniform(0.75, 1.05))
    density += paint(cell * (1 - 0.8 * nucleus), stain.density(BLUE), rng.uniform(0.12, 0.25))
    amount = chromatin(p, float(rng.uniform(1.05, 1.4)), clump_um=0.8, clumped=0.26, fine=0.07)
    return density + nuclear(p, nucleus, stain.density(AZURE), amount), cell


def basophil(p: Patch, r: float, stain: Stain) -> tuple[FloatArray, FloatArray]:
    """Draw a basophil: coarse, nearly black granules that also lie on the nucleus and hide it."""
    rng = p.rng
    cell = p.warped(p.blob(r, irregular=0.04, oval=0.1), 0.16, 2.0)
    count = int(rng.integers(2, 4))
    lobe = float(r * rng.uniform(0.36, 0.44))
    nucleus = _lobes(p, r, count, lobe, lobe * 0.7) * cell
    density = paint(cell, stain.density(PINK) * 0.8 + stain.density(MAGENTA) * 0.3)
    amount = chromatin(p, float(rng.uniform(0.7, 0.95)), clump_um=1.2, clumped=0.15, fine=0.08)
    density += paint(nucleus, stain.density(AZURE), amount)
    crowd = float(rng.uniform(3.2, 6.0))
    granules = p.specks(int(crowd * r * r), 0.34, cell)
    dye = stain.density(AZURE) * 0.85 + stain.density(MAGENTA) * 0.25
    return density + paint(granules, dye, rng.uniform(0.75, 1.05)), cell


def immature_granulocyte(p: Patch, r: float, stain: Stain) -> tuple[FloatArray, FloatArray]:
    """Draw a promyelocyte, a myelocyte or a metamyelocyte."""
    rng = p.rng
    stage = int(rng.choice(3, p=[0.25, 0.4, 0.35]))
    cell = p.warped(p.blob(r, irregular=0.05, oval=0.14), 0.2, 3.0)
    share = float((rng.uniform(0.7, 0.82), rng.uniform(0.62, 0.74), rng.uniform(0.6, 0.7))[stage])
    depth = float((rng.uniform(0, 0.15), rng.uniform(0, 0.25), rng.uniform(0.45, 0.75))[stage])
    nucleus = p.warped(indented(p, r * share, eccentric(p, r, share), depth), 0.18, 2.5) * cell
    blue = float((rng.uniform(0.5, 0.75), rng.uniform(0.25, 0.45), rng.uniform(0.12, 0.3))[stage])
    body = stain.density(BLUE) * blue + stain.density(PINK) * (0.6 + 0.4 * stage / 2)
    density = paint(cell * (1 - 0.6 * nucleus), body, 1 + 0.12 * p.noise(0.8))
    # A promyelocyte's granules are coarse and lie on its nucleus too; later ones are fine.
    coarse = p.specks(int((4.0, 1.2, 0.2)[stage] * r * r), 0.2, cell)
    fine = np.clip(p.noise(0.36), 0, 2) * cell
    density += paint(coarse * (1 - 0.5 * nucleus), stain.density(MAGENTA), rng.uniform(0.7, 1.0))
    density += paint(fine * (1 - 0.6 * nucleus), stain.density(MAGENTA), rng.uniform(0.2, 0.35))
    amount = chromatin(
        p,
        float((rng.uniform(0.85, 1.05), rng.uniform(0.95, 1.2), rng.uniform(1.0, 1.3))[stage]),
        clump_um=0.8,
        clumped=(0.14, 0.26, 0.32)[stage],
        fine=0.12,
    )
    spots = nucleoli(p, nucleus, r, int(rng.integers(1, 3)) if stage == 0 else 0)
    return density + nuclear(p, nucleus, stain.density(AZURE), amount * spots, 0.15), cell
