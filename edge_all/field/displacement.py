"""How far the view moved over the smear between two pictures of it."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

UM_PER_PX = 1.2
"""Scale at which overlaps are looked for: an erythrocyte is 6 px wide."""
LEAST_OVERLAP = 0.06
"""Share of a picture that two must have in common to be compared."""
_SIGNIFICANT = 5.0
_CELL_AREA_UM2 = 41.0
"""An erythrocyte's: so many um^2 of an overlap are one independent observation."""
_ALIKE = 0.93
"""Correlation of two pictures of an unmoved stage; a move by a tenth of an erythrocyte is under it."""
_REACH_PX = 5
"""How far, at UM_PER_PX, a place may be from where it was thought to be."""
_SIGNIFICANT_THERE = 4.0
"""A hundred shifts are tried near a guess, not tens of thousands: chance reaches less far."""
_LEAST_SPREAD = 0.18
"""Root of the summed squares of an overlap without any contrast, in levels."""
_NEVER = np.float32(1e20)


class Picture:
    """A field at UM_PER_PX, with what its comparison with others needs, worked out once. grey: float32, light out.

    What depends on the shift lies in the order of a discrete Fourier transform: shifts from 0 on, then, at the end,
    those back from -1.
    """

    def __init__(self, grey: FloatArray) -> None:
        self.grey = grey
        self.norm = float(np.vdot(grey, grey))

    def forget(self) -> None:
        """Keep the picture alone; the rest is worked out again when it is needed."""
        for name in ("spectrum", "before", "after"):
            self.__dict__.pop(name, None)

    @cached_property
    def spectrum(self) -> FloatArray:
        """Of the picture with zeros around it, as cv2.dft packs it."""
        padded = np.zeros(_fast_size(self.grey.shape), np.float32)
        padded[: self.grey.shape[0], : self.grey.shape[1]] = self.grey
        return np.asarray(cv2.dft(padded, nonzeroRows=self.grey.shape[0]))

    @cached_property
    def before(self) -> tuple[FloatArray, FloatArray]:
        """Sum, and root of the summed squared differences from the mean, over the overlap at every shift, this picture
        being the earlier one."""
        rows, columns = _overlaps(self.grey.shape)
        found = []
        for table in cv2.integral2(self.grey, sdepth=cv2.CV_64F, sqdepth=cv2.CV_64F):
            across = table.take(columns[1], 1) - table.take(columns[0], 1)
            found.append((across.take(rows[1], 0) - across.take(rows[0], 0)).astype(np.float32))
        total, squares = found
        squares -= total * total * _counts(self.grey.shape)[0]
        return total, np.sqrt(np.maximum(squares, np.float32(_LEAST_SPREAD**2)))

    @cached_property
    def after(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Mean, the same root, and that times the least correlation that is significant, this picture being the later
        one: its overlap at a shift is the one that it would have as the earlier one at the opposite shift."""
        share, _, least = _counts(self.grey.shape)
        rows, columns = (-np.arange(n) % n for n in share.shape)
        total, spread = (part.take(columns, 1).take(rows, 0) for part in self.before)
        return total * share, spread, spread * least


def unmoved(before: Picture, now: Picture) -> bool:
    """Quick look whether two pictures show the same: most frames of a resting stage need no more."""
    return float(np.vdot(before.grey, now.grey)) > _ALIKE * float(np.sqrt(before.norm * now.norm + 1e-6))


@lru_cache(maxsize=4)
def _fast_size(shape: tuple[int, int]) -> tuple[int, int]:
    """In which no shift of the picture runs into itself, and whose transform is fast."""
    return cv2.getOptimalDFTSize(2 * shape[0]), cv2.getOptimalDFTSize(2 * shape[1])


@lru_cache(maxsize=4)
def _overlaps(shape: tuple[int, int]) -> tuple[IntArray, IntArray]:
    """First and one after the last row, and column, of the overlap at every shift, in the earlier picture; both 0 where
    no shift is."""
    found = []
    for length, fast in zip(shape, _fast_size(shape), strict=True):
        shift = (np.arange(fast) + length) % fast - length
        overlap = np.stack([np.maximum(shift, 0), np.minimum(shift, 0) + length])
        found.append(np.where(np.abs(shift) < length, overlap, 0))
    return found[0], found[1]


@lru_cache(maxsize=4)
def _counts(shape: tuple[int, int]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """At every shift: 1 over the pixels of the overlap; the root of the number of cells in it, 0 where it is too small;
    the least correlation that is significant there, a trifle less, and more than any where it is too small."""
    rows, columns = _overlaps(shape)
    count = np.outer(rows[1] - rows[0], columns[1] - columns[0]).astype(np.float32)
    cells = np.sqrt(count * np.float32(UM_PER_PX**2 / _CELL_AREA_UM2))
    cells[count < LEAST_OVERLAP * shape[0] * shape[1]] = 0
    with np.errstate(divide="ignore"):
        least = np.where(cells > 0, np.tanh(np.float32(_SIGNIFICANT) / cells) * np.float32(0.9999), _NEVER)
    return 1 / np.maximum(count, 1), cells, least.astype(np.float32)


def displacement(before: Picture, now: Picture) -> tuple[float, float] | None:
    """How far, in pixels (x, y), the view moved over the smear between two pictures; None when they share too little.

    Normalised cross-correlation at every shift, each over its own overlap (Padfield 2012; with rectangular
    masks the local sums are running sums), so that a small overlap counts as well as a large one and the
    regular spacing of erythrocytes, alike at many shifts but equal at one, does not deceive. A correlation is
    believed by its significance: Fisher's z times the root of the number of cells in the overlap.
    """
    shape = before.grey.shape
    product = cv2.mulSpectrums(before.spectrum, now.spectrum, 0, conjB=True)
    cross = np.asarray(cv2.dft(product, flags=cv2.DFT_INVERSE | cv2.DFT_SCALE | cv2.DFT_REAL_OUTPUT))
    (sum_before, spread_before), (mean_now, spread_now, least_now) = before.before, now.after
    # Nearly all shifts are no match, and most pairs have none: five passes tell, the rest is for what is left.
    scratch = cv2.multiply(sum_before, mean_now)
    cv2.subtract(cross, scratch, cross)
    cv2.multiply(spread_before, least_now, scratch)
    matches = cv2.compare(cross, scratch, cv2.CMP_GE)
    if not cv2.countNonZero(matches):
        return None
    at = np.flatnonzero(matches)

    def correlation(index: IntArray) -> FloatArray:
        spread = spread_before.ravel()[index] * spread_now.ravel()[index]
        return np.clip(cross.ravel()[index] / spread, -0.999, 0.999)

    significance = np.arctanh(correlation(at)) * _counts(shape)[1].ravel()[at]
    if significance.max() < _SIGNIFICANT:
        return None
    row, column = divmod(int(at[significance.argmax()]), cross.shape[1])
    found = []
    for axis, (here, size) in enumerate(((column, cross.shape[1]), (row, cross.shape[0]))):
        length = shape[1 - axis]
        around = np.arange(here - 1, here + 2) % size
        line = correlation(around + row * size if axis == 0 else around * cross.shape[1] + column)
        shift = (here + length) % size - length
        found.append(shift + (_vertex(line, 1) if abs(shift) < length - 1 else 0.0))
    return float(found[0]), float(found[1])


def displacement_near(before: Picture, now: Picture, x: float, y: float) -> tuple[float, float, float] | None:
    """The same as displacement where it is already known to _REACH_PX pixels, and how significant it is; None when the
    pictures are not alike there."""
    height, width = before.grey.shape
    dx, dy = round(x), round(y)
    left, right = max(0, _REACH_PX - dx), min(width, width - dx - _REACH_PX)
    top, bottom = max(0, _REACH_PX - dy), min(height, height - dy - _REACH_PX)
    if right - left < 8 or bottom - top < 8 or (right - left) * (bottom - top) < LEAST_OVERLAP * height * width:
        return None
    part = now.grey[top:bottom, left:right]
    around = before.grey[top + dy - _REACH_PX : bottom + dy + _REACH_PX, left + dx - _REACH_PX : right + dx + _REACH_PX]
    correlation = np.asarray(cv2.matchTemplate(around, part, cv2.TM_CCOEFF_NORMED), np.float32)
    row, column = np.unravel_index(int(correlation.argmax()), correlation.shape)
    cells = np.sqrt(part.size * UM_PER_PX**2 / _CELL_AREA_UM2)
    significance = float(np.arctanh(min(float(correlation[row, column]), 0.999)) * cells)
    if significance < _SIGNIFICANT_THERE:
        return None
    return (
        dx + float(column) - _REACH_PX + _vertex(correlation[row], int(column)),
        dy + float(row) - _REACH_PX + _vertex(correlation[:, column], int(row)),
        significance,
    )


def _vertex(line: FloatArray, i: int) -> float:
    if not 0 < i < len(line) - 1:
        return 0.0
    before, top, after = (float(line[i + k]) for k in (-1, 0, 1))
    bend = before - 2 * top + after
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))
