"""Where on the smear each field lies, from its overlap with fields seen before."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

UM_PER_PX = 1.2
"""Scale at which overlaps are looked for: an erythrocyte is 6 px wide."""
_LEAST_OVERLAP = 0.06
_SIGNIFICANT = 5.0
_CELL_AREA_UM2 = 41.0
"""An erythrocyte's: so many um^2 of an overlap are one independent observation."""
_ALIKE = 0.93
"""Correlation of two pictures of an unmoved stage; a move by a tenth of an erythrocyte is under it."""
_REMEMBERED = 200
_NEIGHBOURS = 3


@dataclass(frozen=True)
class Place:
    """Upper left corner of a field on the smear, um, within its region."""

    x_um: float
    y_um: float
    region: int


@dataclass(frozen=True, eq=False)
class _Seen:
    grey: FloatArray
    place: Place


class Stage:
    """Follows the stage from field to field; memory is bounded."""

    def __init__(self) -> None:
        self._seen: deque[_Seen] = deque(maxlen=_REMEMBERED)
        self._region = -1
        self._size: tuple[int, int] | None = None
        """Width and height of the pictures that are compared; the optic does not change while it runs."""

    def locate(self, overview: npt.NDArray[np.uint8], um_per_px: float) -> Place:
        """Place of a field from a grey uint8 picture of it; a new region when it overlaps none that is known."""
        if self._size is None:
            factor = um_per_px / UM_PER_PX
            self._size = (max(16, round(overview.shape[1] * factor)), max(16, round(overview.shape[0] * factor)))
        small = cv2.resize(overview, self._size, interpolation=cv2.INTER_AREA).astype(np.float32)
        small -= cv2.GaussianBlur(small, (0, 0), 8)  # uneven light would correlate with itself
        if not self._seen:
            return self._begin(small)
        last = self._seen[-1]
        if _unmoved(last.grey, small):
            return last.place
        measured = []
        moved = displacement(last.grey, small)
        if moved is not None:
            measured.append(self._from(last, moved))
        candidates = self._near(measured[0] if measured else None, small.shape)
        for seen in candidates:
            moved = displacement(seen.grey, small)
            if moved is not None:
                measured.append(self._from(seen, moved))
        if not measured:
            return self._begin(small)
        # The median of what the neighbours say: errors of single steps do not add up along a row.
        region = measured[0].region
        same = [m for m in measured if m.region == region]
        place = Place(float(np.median([m.x_um for m in same])), float(np.median([m.y_um for m in same])), region)
        self._seen.append(_Seen(small, place))
        return place

    def _begin(self, small: FloatArray) -> Place:
        self._region += 1
        place = Place(0.0, 0.0, self._region)
        self._seen.append(_Seen(small, place))
        return place

    @staticmethod
    def _from(seen: _Seen, moved: tuple[float, float]) -> Place:
        return Place(seen.place.x_um + moved[0] * UM_PER_PX, seen.place.y_um + moved[1] * UM_PER_PX, seen.place.region)

    def _near(self, guess: Place | None, shape: tuple[int, ...]) -> list[_Seen]:
        """Earlier fields that overlap the guess most; without one the latest, in case the stage went back."""
        others = list(self._seen)[:-1]
        if guess is None:
            return others[-1 : -1 - _NEIGHBOURS : -1]
        height, width = shape[0] * UM_PER_PX, shape[1] * UM_PER_PX

        def overlap(seen: _Seen) -> float:
            if seen.place.region != guess.region:
                return 0.0
            x = 1 - abs(seen.place.x_um - guess.x_um) / width
            y = 1 - abs(seen.place.y_um - guess.y_um) / height
            return max(x, 0) * max(y, 0)

        near = sorted(others, key=overlap, reverse=True)[:_NEIGHBOURS]
        return [seen for seen in near if overlap(seen) > 2 * _LEAST_OVERLAP]


def _unmoved(before: FloatArray, now: FloatArray) -> bool:
    """Quick look whether two pictures show the same: most frames of a resting stage need no more."""
    correlation = float((before * now).sum() / np.sqrt(float((before**2).sum()) * float((now**2).sum()) + 1e-6))
    return correlation > _ALIKE


def displacement(before: FloatArray, now: FloatArray) -> tuple[float, float] | None:
    """How far, in pixels (x, y), the view moved over the smear between two pictures; None when they share too little.

    Normalised cross-correlation at every shift, each over its own overlap (Padfield 2012; with rectangular
    masks the local sums are running sums), so that a small overlap counts as well as a large one and the
    regular spacing of erythrocytes, alike at many shifts but equal at one, does not deceive. A correlation is
    believed by its significance: Fisher's z times the root of the number of cells in the overlap.
    """
    height, width = before.shape
    fast = (cv2.getOptimalDFTSize(2 * height), cv2.getOptimalDFTSize(2 * width))
    spectrum = np.fft.rfft2(before, fast) * np.conj(np.fft.rfft2(now, fast))
    cross = np.fft.irfft2(spectrum, fast)
    # The shifts in order, from -(n - 1) to n - 1, so that neighbours in the array are neighbours.
    dy, dx = np.arange(1 - height, height), np.arange(1 - width, width)
    cross = cross[dy % fast[0]][:, dx % fast[1]]
    y0, y1 = np.maximum(dy, 0), np.minimum(dy, 0) + height
    x0, x1 = np.maximum(dx, 0), np.minimum(dx, 0) + width
    count = np.outer(y1 - y0, x1 - x0)

    def sums(values: FloatArray, rows: tuple[IntArray, IntArray], columns: tuple[IntArray, IntArray]) -> FloatArray:
        table = cv2.integral(values, sdepth=cv2.CV_64F)
        across = np.asarray(table[:, columns[1]] - table[:, columns[0]])
        return np.asarray(across[rows[1]] - across[rows[0]])

    there_rows, there_columns = (y0 - dy, y1 - dy), (x0 - dx, x1 - dx)
    sum_before, sum_now = sums(before, (y0, y1), (x0, x1)), sums(now, there_rows, there_columns)
    var_before = sums(before**2, (y0, y1), (x0, x1)) - sum_before**2 / count
    var_now = sums(now**2, there_rows, there_columns) - sum_now**2 / count
    spread = np.sqrt(np.maximum(var_before * var_now, 1e-3))
    correlation = np.clip((cross - sum_before * sum_now / count) / spread, -0.999, 0.999)
    significance = np.arctanh(correlation) * np.sqrt(count * UM_PER_PX**2 / _CELL_AREA_UM2)
    significance[count < _LEAST_OVERLAP * height * width] = 0
    row, column = np.unravel_index(int(significance.argmax()), significance.shape)
    if significance[row, column] < _SIGNIFICANT:
        return None
    return (
        float(dx[column]) + _vertex(correlation[row], int(column)),
        float(dy[row]) + _vertex(correlation[:, column], int(row)),
    )


def _vertex(line: FloatArray, i: int) -> float:
    if not 0 < i < len(line) - 1:
        return 0.0
    before, top, after = (float(line[i + k]) for k in (-1, 0, 1))
    bend = before - 2 * top + after
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))
