"""Outputs of the frozen blocks for every cell, plain and in some varied views, stored on disk.

The frozen blocks take two thirds of a training step and give the same result in every fold, so they are run once. Half
the bytes of float32 are enough, because the rounding is far below the noise of the views.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from edge_all_export.data.crop_cache import CropCache
from edge_all_export.data.kind_views import MILD, WIDE, plain_view, varied_view
from edge_all_export.models.classifier.kinds_network import SIDE, UM_PER_PX, KindsNet

FloatArray = npt.NDArray[np.float32]
Place = tuple[int, int]
"""Pass and row."""

_BATCH = 32


class FrozenMaps:
    """Pass 0 holds the plain view of every cell; each further pass a varied view of some."""

    def __init__(self, folder: Path, passes: int) -> None:
        self._maps, self._features = [], []
        self.plain: dict[int, Place] = {}
        self.varied: dict[int, list[Place]] = {}
        for number in range(passes):
            with np.load(folder / f"cells-{number}.npz") as kept:
                cells, features = kept["cells"], kept["features"]
            self._maps.append(np.load(folder / f"maps-{number}.npy", mmap_mode="r"))
            self._features.append(features)
            for row, cell in enumerate(cells.tolist()):
                if number == 0:
                    self.plain[cell] = (0, row)
                else:
                    self.varied.setdefault(cell, []).append((number, row))

    def read(self, places: Sequence[Place]) -> tuple[FloatArray, FloatArray]:
        """Return maps N x C x h x w and features N x F."""
        maps = np.stack([self._maps[p][r] for p, r in places]).astype(np.float32)
        return maps.transpose(0, 3, 1, 2), np.stack([self._features[p][r] for p, r in places])


def is_made(folder: Path, number: int) -> bool:
    """Return True if a pass is complete. Its table is written last."""
    return (folder / f"cells-{number}.npz").is_file()


def make_pass(
    cache: CropCache, network: KindsNet, cells: npt.NDArray[np.intp], folder: Path, number: int, seed: int
) -> None:
    """Run the frozen blocks over one view of each of these cells: plain in pass 0, then mild and wide in turn."""
    variation = MILD if number % 2 else WIDE
    rng = np.random.Generator(np.random.PCG64([seed, number]))
    network.eval()
    maps, features = [], []
    for start in range(0, len(cells), _BATCH):
        crops = [np.asarray(cache.crops[i]) for i in cells[start : start + _BATCH]]
        views = [
            plain_view(c, SIDE, UM_PER_PX) if number == 0 else varied_view(c, SIDE, UM_PER_PX, rng, variation)
            for c in crops
        ]
        with torch.inference_mode():
            images = torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2)
            last, mean = network.frozen(images)
        maps.append(last.permute(0, 2, 3, 1).to(torch.float16).numpy())
        features.append(mean.numpy())
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"maps-{number}.npy", np.concatenate(maps))
    temporary = folder / f"cells-{number}.tmp.npz"
    np.savez(temporary, cells=cells, features=np.concatenate(features))
    os.replace(temporary, folder / f"cells-{number}.npz")
