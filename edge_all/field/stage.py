"""Where on the smear each field lies, from its overlap with fields seen before."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.field.shrinking import shrunk

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
_READY = 24
"""Latest pictures whose sums are kept, a quarter of a megabyte each."""


@dataclass(frozen=True)
class Place:
    """Upper left corner of a field on the smear, um, within its region."""

    x_um: float
    y_um: float
    region: int


@dataclass(frozen=True, eq=False)
class _Seen:
    picture: Picture
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
        # What is left of a whole step is done on a quarter of the pixels.
        half = 2 if overview.shape[1] >= 4 * self._size[0] else 1
        small = cv2.resize(shrunk(overview, half), self._size, interpolation=cv2.INTER_AREA).astype(np.float32)
        small -= cv2.GaussianBlur(small, (0, 0), 8)  # uneven light would correlate with itself
        return self._placed(Picture(small))

    def _placed(self, now: Picture) -> Place:
        if not self._seen:
            return self._begin(now)
        last = self._seen[-1]
        if _unmoved(last.picture, now):
            return last.place
        measured = []
        moved = displacement(last.picture, now)
        if moved is not None:
            measured.append(self._from(last, moved))
        candidates = self._near(measured[0] if measured else None, now.grey.shape)
        for seen in candidates:
            moved = displacement(seen.picture, now)
            if moved is not None:
                measured.append(self._from(seen, moved))
        if not measured:
            return self._begin(now)
        # The median of what the neighbours say: errors of single steps do not add up along a row.
        region = measured[0].region
        same = [m for m in measured if m.region == region]
        place = Place(float(np.median([m.x_um for m in same])), float(np.median([m.y_um for m in same])), region)
        self._remember(now, place)
        return place

    def _remember(self, now: Picture, place: Place) -> None:
        self._seen.append(_Seen(now, place))
        if len(self._seen) > _READY:
            self._seen[-1 - _READY].picture.forget()

    def _begin(self, now: Picture) -> Place:
        self._region += 1
        place = Place(0.0, 0.0, self._region)
        self._remember(now, place)
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


def _unmoved(before: Picture, now: Picture) -> bool:
    """Quick look whether two pictures show the same: most frames of a resting stage need no more."""
    return float(np.vdot(before.grey, now.grey)) > _ALIKE * float(np.sqrt(before.norm * now.norm + 1e-6))


class Picture:
    """A field at UM_PER_PX, with what its comparison with others needs, worked out once. grey: float32, light out."""

    def __init__(self, grey: FloatArray) -> None:
        self.grey = grey
        self.norm = float(np.vdot(grey, grey))
        height, width = grey.shape
        self._fast = (cv2.getOptimalDFTSize(2 * height), cv2.getOptimalDFTSize(2 * width))

    def forget(self) -> None:
        """Keep the picture alone; the rest is worked out again when it is needed."""
        for name in ("spectrum", "overlaps", "overlaps_after"):
            self.__dict__.pop(name, None)

    @cached_property
    def spectrum(self) -> FloatArray:
        """Of the picture with zeros around it, as cv2.dft packs it."""
        padded = np.zeros(self._fast, np.float32)
        padded[: self.grey.shape[0], : self.grey.shape[1]] = self.grey
        return np.asarray(cv2.dft(padded, nonzeroRows=self.grey.shape[0]))

    @cached_property
    def overlaps(self) -> tuple[FloatArray, FloatArray]:
        """Sum, and sum of squared differences from the mean, over the overlap at every shift, this picture being the
        earlier one."""
        rows, columns = _overlaps(self.grey.shape)
        found = []
        for table in cv2.integral2(self.grey, sdepth=cv2.CV_64F, sqdepth=cv2.CV_64F):
            across = table.take(columns[1], 1) - table.take(columns[0], 1)
            found.append((across.take(rows[1], 0) - across.take(rows[0], 0)).astype(np.float32))
        total, squares = found
        squares -= total * total / _counts(self.grey.shape)[0]
        return total, squares

    @cached_property
    def overlaps_after(self) -> tuple[FloatArray, FloatArray]:
        """Mean and the same, this picture being the later one: its overlap at a shift is the one that it would have as
        the earlier one at the opposite shift."""
        total, squares = (np.ascontiguousarray(part[::-1, ::-1]) for part in self.overlaps)
        return total / _counts(self.grey.shape)[0], squares


@lru_cache(maxsize=4)
def _overlaps(shape: tuple[int, int]) -> tuple[IntArray, IntArray]:
    """First and one after the last row, and column, of the overlap at every shift, in the earlier picture. Shifts are
    in order, from -(n - 1) to n - 1, so that neighbours in the array are neighbours."""
    height, width = shape
    dy, dx = np.arange(1 - height, height), np.arange(1 - width, width)
    rows = np.stack([np.maximum(dy, 0), np.minimum(dy, 0) + height])
    columns = np.stack([np.maximum(dx, 0), np.minimum(dx, 0) + width])
    return rows, columns


@lru_cache(maxsize=4)
def _counts(shape: tuple[int, int]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Pixels of the overlap at every shift; the root of the number of cells in it, 0 where it is too small; the square
    of the least correlation that is significant there, a trifle less."""
    rows, columns = _overlaps(shape)
    count = np.outer(rows[1] - rows[0], columns[1] - columns[0]).astype(np.float32)
    cells = np.sqrt(count * np.float32(UM_PER_PX**2 / _CELL_AREA_UM2))
    cells[count < _LEAST_OVERLAP * shape[0] * shape[1]] = 0
    with np.errstate(divide="ignore"):
        least = np.where(cells > 0, np.tanh(np.float32(_SIGNIFICANT) / cells), np.float32(2))
    return count, cells, (0.9999 * least * least).astype(np.float32)


def displacement(before: Picture, now: Picture) -> tuple[float, float] | None:
    """How far, in pixels (x, y), the view moved over the smear between two pictures; None when they share too little.

    Normalised cross-correlation at every shift, each over its own overlap (Padfield 2012; with rectangular
    masks the local sums are running sums), so that a small overlap counts as well as a large one and the
    regular spacing of erythrocytes, alike at many shifts but equal at one, does not deceive. A correlation is
    believed by its significance: Fisher's z times the root of the number of cells in the overlap.
    """
    height, width = before.grey.shape
    product = cv2.mulSpectrums(before.spectrum, now.spectrum, 0, conjB=True)
    cross = cv2.dft(product, flags=cv2.DFT_INVERSE | cv2.DFT_SCALE | cv2.DFT_REAL_OUTPUT)
    cross = _in_order(np.asarray(cross, np.float32), height, width)
    _, cells, least = _counts((height, width))
    (sum_before, var_before), (mean_now, var_now) = before.overlaps, now.overlaps_after
    cross -= sum_before * mean_now
    spread = np.maximum(var_before * var_now, np.float32(1e-3))
    # Nearly all shifts are no match, and most pairs have none: roots and logarithms are for the rest.
    at = np.nonzero(((cross > 0) & (cross * cross >= least * spread)).ravel())[0]
    if not len(at):
        return None
    correlation = np.clip(cross / np.sqrt(spread), -0.999, 0.999)
    significance = np.arctanh(correlation.ravel()[at]) * cells.ravel()[at]
    if significance.max() < _SIGNIFICANT:
        return None
    row, column = divmod(int(at[significance.argmax()]), correlation.shape[1])
    return (
        float(column + 1 - width) + _vertex(correlation[row], int(column)),
        float(row + 1 - height) + _vertex(correlation[:, column], int(row)),
    )


def _in_order(cross: FloatArray, height: int, width: int) -> FloatArray:
    """Of a circular correlation the shifts from -(n - 1) to n - 1 in both directions, ascending."""
    found = np.empty((2 * height - 1, 2 * width - 1), np.float32)
    for to_row, row in ((np.s_[height - 1 :], np.s_[:height]), (np.s_[: height - 1], np.s_[1 - height :])):
        found[to_row, width - 1 :], found[to_row, : width - 1] = cross[row, :width], cross[row, 1 - width :]
    return found


def _vertex(line: FloatArray, i: int) -> float:
    if not 0 < i < len(line) - 1:
        return 0.0
    before, top, after = (float(line[i + k]) for k in (-1, 0, 1))
    bend = before - 2 * top + after
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))
