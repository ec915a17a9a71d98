"""Views of a stored crop as the network of kinds sees them: plain, or varied as unseen benches may vary."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge_all_export.data.kind_crops import SIDE, UM_PER_PX, Pixels

FloatArray = npt.NDArray[np.float32]

_WHITE = 240.0
_DENSITY = np.clip(-np.log((np.arange(256, dtype=np.float32) + 2) / _WHITE), 0, None).astype(np.float32)
"""Optical density of each level."""
_FOCUS_UM_PER_PX = 0.14
"""The blurs below are given in pixels of this size."""


@dataclass(frozen=True)
class Variation:
    """Range of the variation of views.

    stain: Range of the factor on all changes of stain and color. one_stain: Share of views whose three densities are
    drawn toward one, as by another stain or a single lamp.
    """

    stain: tuple[float, float] = (1.0, 1.0)
    one_stain: float = 0.0
    zoom: float = 0.1
    most_blur: float = 1.3


MILD = Variation()
WIDE = Variation((0.7, 2.0), 0.1, 0.12, 2.0)


def plain_view(crop: Pixels, side: int, um_per_px: float) -> FloatArray:
    """Return the crop at the network's scale; RGB float32 side x side x 3, 0 to 255."""
    return _warped(crop, side, UM_PER_PX / um_per_px, 0.0, (0.0, 0.0)).astype(np.float32)


def varied_view(
    crop: Pixels, side: int, um_per_px: float, rng: np.random.Generator, variation: Variation = MILD
) -> FloatArray:
    """Return a random view: place, size, stain, light, focus, noise, and now and then no surroundings."""
    zoom = UM_PER_PX / um_per_px * float(np.exp(rng.normal(0, variation.zoom)))
    turn = float(rng.uniform(0, 360))
    shift = rng.normal(0, 0.3 / um_per_px, 2)
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    view = _stained(_warped(crop, side, zoom, turn, (float(shift[0]), float(shift[1]))), rng, variation)
    view = _focused(view, _FOCUS_UM_PER_PX / um_per_px, rng, variation.most_blur)
    if rng.random() < 0.4:
        view = view + rng.standard_normal(view.shape, np.float32) * np.float32(rng.uniform(1, 6))
    if rng.random() < 0.35:
        view = _cut_out(view, um_per_px, rng)
    return np.clip(view, 0, 255).astype(np.float32)


def _warped(crop: Pixels, side: int, zoom: float, turn: float, shift: tuple[float, float]) -> Pixels:
    if zoom < 0.8:
        crop = np.asarray(cv2.GaussianBlur(crop, (0, 0), 0.45 * float(np.sqrt(1 / zoom**2 - 1))), np.uint8)
    middle = (SIDE - 1) / 2
    matrix = np.asarray(cv2.getRotationMatrix2D((middle, middle), turn, zoom), np.float64)
    matrix[:, 2] += (side - 1) / 2 - middle + np.array(shift)
    return np.asarray(
        cv2.warpAffine(crop, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def _stained(view: Pixels, rng: np.random.Generator, variation: Variation) -> FloatArray:
    """Mix and scale the channels' optical densities (another stain), then tint and bend the levels (another camera)."""
    factor = rng.uniform(*variation.stain)
    mix = np.eye(3) + rng.normal(0, 0.12 * factor, (3, 3))
    strength = np.exp(rng.normal(0, 0.25 * factor)) * np.exp(rng.normal(0, 0.12 * factor, 3))
    mix = mix * strength[:, None]
    if rng.random() < variation.one_stain:
        share = rng.uniform(0.3, 1)
        mix = (1 - share) * mix + share * np.outer(np.exp(rng.normal(0, 0.3, 3)), rng.dirichlet((1, 1, 1)))
    density = cv2.transform(cv2.LUT(view, _DENSITY), (-mix).astype(np.float32))
    levels = cv2.exp(density) * np.float32(_WHITE) + rng.normal(0, 6 * factor, 3).astype(np.float32)
    gamma = float(np.exp(rng.normal(0, 0.15 * factor)))
    return np.asarray(cv2.pow(np.clip(levels, 0, 255) / np.float32(255), gamma) * 255, np.float32)


def _focused(view: FloatArray, scale: float, rng: np.random.Generator, most_blur: float) -> FloatArray:
    kind = rng.random()
    if kind < 0.3:
        return np.asarray(
            cv2.GaussianBlur(view, (0, 0), max(0.2, float(rng.uniform(0.3, most_blur)) * scale)), np.float32
        )
    if kind < 0.45:  # many cameras sharpen
        return np.asarray(view + np.float32(rng.uniform(0.2, 1)) * (view - cv2.GaussianBlur(view, (0, 0), scale)))
    return view


def _cut_out(view: FloatArray, um_per_px: float, rng: np.random.Generator) -> FloatArray:
    """Fade to white outside a disc, because the surroundings of a cell must not reveal the source."""
    axis = np.arange(len(view), dtype=np.float32) - (len(view) - 1) / 2
    away = np.hypot(axis[:, None], axis[None, :])
    inside = np.clip((rng.uniform(6.5, 10) / um_per_px - away) / 4 + 0.5, 0, 1)[..., None].astype(np.float32)
    return np.asarray(view * inside + np.float32(rng.uniform(215, 250)) * (1 - inside), np.float32)
