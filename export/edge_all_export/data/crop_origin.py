"""Search for the field that a crop was cut from, pixel for pixel, so that both stay on one side of a split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_all_export.data.labeled_field import read_rgb

_RUN = 24
"""Number of pixels of a row to hash: long enough to be unique in a photograph."""


@dataclass(frozen=True)
class Origin:
    """Center of the crop in pixels of the field."""

    field: Path
    x_px: int
    y_px: int


def find_origins(crops: Sequence[Path], fields: Iterable[Path]) -> dict[Path, Origin]:
    """Return the origin of each crop that occurs unchanged in one of the fields; unreadable files are skipped."""
    images = {}
    for path in crops:
        try:
            images[path] = read_rgb(path)
        except OSError:
            continue
    wanted: dict[int, list[Path]] = {}
    for path, crop in images.items():
        row, column = _probe(crop)
        run = _run_hashes(crop[row : row + 1])
        if run.shape[1] > column:
            wanted.setdefault(int(run[0, column]), []).append(path)
    keys = np.fromiter(wanted, np.int64, len(wanted))
    found: dict[Path, Origin] = {}
    for field in fields:
        try:
            image = read_rgb(field)
        except OSError:
            continue
        hashes = _run_hashes(image)
        for y, x in zip(*np.nonzero(np.isin(hashes, keys)), strict=True):
            for path in wanted[int(hashes[y, x])]:
                crop = images[path]
                row, column = _probe(crop)
                top, left = int(y) - row, int(x) - column
                height, width = crop.shape[:2]
                if min(top, left) >= 0 and np.array_equal(image[top : top + height, left : left + width], crop):
                    found.setdefault(path, Origin(field, left + width // 2, top + height // 2))
    return found


def _probe(crop: npt.NDArray[np.uint8]) -> tuple[int, int]:
    return crop.shape[0] // 2, max(0, crop.shape[1] // 2 - _RUN // 2)


def _run_hashes(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Hash the _RUN pixels to the right of each position; int64 H x (W - _RUN + 1)."""
    pixels = image.astype(np.int64)
    value = pixels[..., 0] * 65599 + pixels[..., 1] * 257 + pixels[..., 2]
    width = image.shape[1] - _RUN + 1
    if width < 1:
        return np.zeros((len(image), 0), np.int64)
    total = np.zeros((len(image), width), np.int64)
    for i in range(_RUN):
        total = total * 1000003 + value[:, i : i + width]  # wraps around, as a hash may
    return total
