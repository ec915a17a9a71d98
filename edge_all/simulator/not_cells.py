"""Objects that are not whole cells: smudges, platelets, their clumps, and stain debris."""

from __future__ import annotations

import numpy as np

from edge_all.simulator.nucleus import paint
from edge_all.simulator.shapes import FloatArray, Patch
from edge_all.simulator.stains import AZURE, BLUE, MAGENTA, Stain


def smudge(p: Patch, r: float, stain: Stain) -> tuple[FloatArray, FloatArray]:
    """Draw a burst cell: bare, spread chromatin without an outline, often drawn out into threads."""
    rng = p.rng
    distance = np.hypot(p.x, p.y)
    edge = np.float32(r * 0.74) * (1 + 0.2 * p.noise(r * 0.6) + 0.06 * p.noise(1.5))
    body = p.warped(np.clip((edge - distance) / 0.8 + 0.5, 0, 1).astype(np.float32), 0.5, 2.0)
    threads = np.zeros_like(body)
    for _ in range(int(rng.integers(0, 4))):
        threads = np.maximum(threads, _threads(p, r, float(rng.uniform(-3.14, 3.14)), float(rng.uniform(0.25, 0.7))))
    strands = np.clip(1 + 0.2 * np.tanh(1.6 * p.noise(0.8)) + 0.13 * p.noise(0.4) + 0.12 * p.noise(2.5), 0.25, 1.9)
    mask = np.maximum(body, 0.45 * threads)
    holes = p.specks(int(rng.integers(0, 14)), 0.5, body)
    color = stain.density(AZURE) * rng.uniform(0.35, 0.75) + stain.density(MAGENTA) * rng.uniform(0.25, 0.5)
    return paint(mask * (1 - 0.65 * holes), color, rng.uniform(0.65, 1.15) * strands), body


def _threads(p: Patch, r: float, direction: float, width: float) -> FloatArray:
    """Draw threads of chromatin that leave the body toward one side."""
    angle = np.angle(np.exp(1j * (np.arctan2(p.y, p.x) - direction))).astype(np.float32)
    steps = np.linspace(-np.pi, np.pi, 160)
    strength = np.interp(angle, steps, np.clip(p.rng.normal(0.2, 0.5, len(steps)), 0, 1)).astype(np.float32)
    length = np.interp(angle, steps, p.rng.uniform(0.85, 1.3, len(steps))).astype(np.float32) * np.float32(r)
    fade = np.clip((length - np.hypot(p.x, p.y)) / 1.5, 0, 1)
    return p.warped(np.asarray(np.clip(1 - np.abs(angle) / width, 0, 1) * strength * fade, np.float32), 0.3, 2.0)


def _one_platelet(p: Patch, r: float, stain: Stain, at: tuple[float, float]) -> FloatArray:
    """Draw one platelet: a pale border around purple granules."""
    rng = p.rng
    body = p.warped(p.blob(r, at=at, irregular=0.1, oval=0.25, soft=0.45), 0.2, 0.8)
    core = p.blob(r * 0.72, at=at, irregular=0.12, oval=0.2, soft=0.5)
    granules = np.clip(0.45 + 0.55 * p.noise(0.36), 0, 1.6) * core
    density = paint(body, stain.density(MAGENTA) * 0.6 + stain.density(BLUE) * 0.15, rng.uniform(0.35, 0.65))
    return density + paint(granules, stain.density(AZURE) * 0.6 + stain.density(MAGENTA) * 0.3, rng.uniform(0.6, 1.1))


def platelet(p: Patch, r: float, stain: Stain) -> tuple[FloatArray, FloatArray]:
    """Draw a platelet."""
    return _one_platelet(p, r, stain, (0.0, 0.0)), np.zeros_like(p.x)


def clump(p: Patch, r: float, stain: Stain) -> tuple[FloatArray, FloatArray]:
    """Draw an aggregate of platelets."""
    rng = p.rng
    density = np.zeros((p.side, p.side, 3), np.float32)
    for _ in range(int(rng.integers(6, 16))):
        angle, distance = rng.uniform(0, 6.3), r * np.sqrt(rng.uniform(0, 0.5))
        at = (float(distance * np.cos(angle)), float(distance * np.sin(angle)))
        density = np.maximum(density, _one_platelet(p, float(rng.uniform(0.9, 1.6)), stain, at))
    return density, np.zeros_like(p.x)


def debris(p: Patch, r: float, stain: Stain) -> tuple[FloatArray, FloatArray]:
    """Draw a crumb of precipitated stain."""
    rng = p.rng
    body = p.blob(r, irregular=0.3, oval=0.4, soft=0.2)
    mixed = stain.density(AZURE) * rng.uniform(0.3, 1.2) + stain.density(BLUE) * rng.uniform(0, 0.8)
    return paint(body, mixed, np.clip(1 + 0.4 * p.noise(0.5), 0.2, 2)), np.zeros_like(p.x)
