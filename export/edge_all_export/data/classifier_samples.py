"""Random training views of single cells, with the variations of a bench."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.cells.crops import fade_to_background
from edge_all.domain.illumination import BACKGROUND_LEVEL
from edge_all.errors import UsageError
from edge_all_export.data.cells import OUTLIERS, TrainingCell
from edge_all_export.data.classes import BLAST, NORMAL, SCORED
from edge_all_export.data.crop_form import COARSE, CropForm

FloatArray = npt.NDArray[np.float32]


def plain_view(cell: TrainingCell) -> npt.NDArray[np.uint8]:
    """Return the crop as the device would make it: RGB uint8, form.side square."""
    side = cell.form.side
    margin = (cell.form.stored_side - side) // 2
    crop = cell.crop[margin : margin + side, margin : margin + side]
    if not cell.form.disc:
        return crop
    return fade_to_background(crop, max(cell.radius, _MINIMAL_RADIUS_UM / cell.form.um_per_px))


_MINIMAL_RADIUS_UM = 2.5
"""Minimum radius; the detector rarely reports smaller cells."""
_SHIFT_UM = 0.27
"""Distance of a detection from the cell's center, standard deviation."""


class CellSampler:
    """Sampler of batches with a given share of each source and kind, and within those of each group.

    shares: "source/kind" -> share. kind is blast, normal or outlier, or a detail such as lymphocyte, which then has a
    separate share. "*/kind" applies to sources that are not named. Raises UsageError when no cell has a share.
    """

    def __init__(self, cells: Sequence[TrainingCell], shares: Mapping[str, float], seed: int) -> None:
        self._seed = seed
        self._rng = np.random.Generator(np.random.PCG64(seed))
        pools: dict[tuple[str, str], dict[str, list[TrainingCell]]] = {}
        for cell in cells:
            kind = "outlier" if cell.kind in OUTLIERS else cell.kind
            if kind in (*SCORED, "outlier"):
                if f"{cell.source}/{cell.detail}" in shares:
                    kind = cell.detail
                groups = pools.setdefault((cell.source, kind), {})
                key = cell.detail if cell.source == "pbc" else f"{cell.group}/{cell.kind}"
                groups.setdefault(key, []).append(cell)
        share = {k: shares.get(f"{k[0]}/{k[1]}", shares.get(f"*/{k[1]}", 0.0)) for k in sorted(pools)}
        named = [k for k, v in share.items() if v > 0]
        if not named:
            raise UsageError(
                "no cell has a share in the training data", "name the sources under [shares] in the recipe"
            )
        self._pools = [pools[k] for k in named]
        weights = np.array([share[k] for k in named], np.float64)
        self._weights = weights / weights.sum()

    def begin_epoch(self, epoch: int, rank: int) -> None:
        """Seed the random numbers of an epoch."""
        self._rng = np.random.Generator(np.random.PCG64([self._seed, epoch, rank]))

    def batch(self, size: int) -> tuple[npt.NDArray[np.uint8], FloatArray, FloatArray]:
        """Draw a batch: images N x S x S x 3 uint8; blast N (1, 0, -1 for neither); outlier N (1, 0)."""
        rng = self._rng
        images, blast, outlier = [], [], []
        for pool in rng.choice(len(self._pools), size, p=self._weights):
            groups = self._pools[int(pool)]
            # Square root of the count: small subjects have weight, and large ones are not discarded.
            share = np.sqrt([len(g) for g in groups.values()])
            group = list(groups.values())[int(rng.choice(len(groups), p=share / share.sum()))]
            cell = group[int(rng.integers(len(group)))]
            images.append(self._view(cell))
            blast.append(1.0 if cell.kind == BLAST else 0.0 if cell.kind == NORMAL else -1.0)
            outlier.append(1.0 if cell.kind in OUTLIERS else 0.0)
        return np.stack(images), np.array(blast, np.float32), np.array(outlier, np.float32)

    def _view(self, cell: TrainingCell) -> npt.NDArray[np.uint8]:
        rng, form = self._rng, cell.form
        zoom = float(np.exp(rng.normal(0, 0.1)))
        radian = rng.uniform(0, 2 * np.pi)
        mirror = -1.0 if rng.random() < 0.5 else 1.0
        turn = np.array([[np.cos(radian), -np.sin(radian)], [np.sin(radian), np.cos(radian)]])
        matrix = zoom * turn @ np.diag([mirror, 1.0])
        center = np.full(2, (form.stored_side - 1) / 2) + rng.normal(0, _SHIFT_UM / form.um_per_px, 2)
        shift = np.full(2, (form.side - 1) / 2) - matrix @ center
        level = float(BACKGROUND_LEVEL)
        image = np.asarray(
            cv2.warpAffine(
                cell.crop,
                np.hstack([matrix, shift[:, None]]),
                (form.side, form.side),
                flags=cv2.INTER_LINEAR,
                borderValue=(level, level, level),
            ),
            np.uint8,
        )
        image = self._stain(image, form)
        radius = max(cell.radius * zoom, _MINIMAL_RADIUS_UM / form.um_per_px) * float(np.exp(rng.normal(0, 0.07)))
        return fade_to_background(image, radius)

    def _stain(self, image: npt.NDArray[np.uint8], form: CropForm) -> npt.NDArray[np.uint8]:
        """Vary stain strength and hue, camera colors, residual light, focus and noise."""
        rng = self._rng
        density = -np.log(np.maximum(image.astype(np.float32), 1.0) / BACKGROUND_LEVEL)
        density *= np.float32(np.exp(rng.normal(0, 0.4)))
        density *= np.exp(rng.normal(0, 0.2, 3)).astype(np.float32)
        if rng.random() < 0.7:
            mix = np.eye(3) + rng.normal(0, 0.12, (3, 3))
            density = density @ mix.astype(np.float32)
        out = np.exp(-density) * np.float32(BACKGROUND_LEVEL * np.exp(rng.normal(0, 0.05)))
        finer = COARSE.um_per_px / form.um_per_px
        focus = rng.random()
        if focus < 0.4:
            out = cv2.GaussianBlur(out, (0, 0), finer * float(rng.uniform(0.3, 1.3)))
        elif focus < 0.7:  # many cameras sharpen
            out = out + np.float32(rng.uniform(0.2, 1.5)) * (out - cv2.GaussianBlur(out, (0, 0), 0.9 * finer))
        if rng.random() < 0.5:
            out = out + rng.normal(0, rng.uniform(0, 7), out.shape).astype(np.float32)
        varied: npt.NDArray[np.uint8] = np.clip(out + 0.5, 0, 255).astype(np.uint8)
        return varied
