"""Displacement of the view over the smear between two images of it."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

UM_PER_PX = 1.2
"""Scale at which overlaps are searched; an erythrocyte is 6 px wide."""
LEAST_OVERLAP = 0.06
"""Least share of an image that two images must have in common to be compared."""
_SIGNIFICANT = 5.0
_CELL_AREA_UM2 = 41.0
"""Area of an erythrocyte; this area of an overlap counts as one independent observation."""
_ALIKE = 0.93
"""Least correlation of two images of an unmoved stage; a move by a tenth of an erythrocyte stays below it."""
_REACH_PX = 5
"""Largest error of a guessed position, in pixels at UM_PER_PX."""
_SIGNIFICANT_THERE = 4.0
"""Significance needed near a guess, lower because only a hundred shifts are tried there, not tens of thousands."""
_LEAST_SPREAD = 0.18
"""Root of the summed squares of an overlap without any contrast, in levels."""
_NEVER = np.float32(1e20)


class Picture:
    """A field at UM_PER_PX, with cached values for its comparison with other fields.

    Arrays over all shifts are in the order of a discrete Fourier transform: shifts from 0 up, and at the end the
    negative ones up to -1.
    """

    def __init__(self, gray: FloatArray) -> None:
        """Create a picture from a gray image, float32 H x W, with uneven light removed."""
        self.gray = gray
        self.norm = float(np.vdot(gray, gray))

    def forget(self) -> None:
        """Drop all cached values; they are computed again when needed."""
        for name in ("spectrum", "before", "after"):
            self.__dict__.pop(name, None)

    @cached_property
    def spectrum(self) -> FloatArray:
        """Spectrum of the zero-padded image, as packed by cv2.dft."""
        padded = np.zeros(_fast_size(self.gray.shape), np.float32)
        padded[: self.gray.shape[0], : self.gray.shape[1]] = self.gray
        return np.asarray(cv2.dft(padded, nonzeroRows=self.gray.shape[0]))

    @cached_property
    def before(self) -> tuple[FloatArray, FloatArray]:
        """Sums over the overlap at each shift, with this picture as the earlier one.

        The two arrays are the sum, and the root of the sum of squared differences from the mean.
        """
        rows, columns = _overlaps(self.gray.shape)
        found = []
        for table in cv2.integral2(self.gray, sdepth=cv2.CV_64F, sqdepth=cv2.CV_64F):
            across = table.take(columns[1], 1) - table.take(columns[0], 1)
            found.append((across.take(rows[1], 0) - across.take(rows[0], 0)).astype(np.float32))
        total, squares = found
        squares -= total * total * _counts(self.gray.shape)[0]
        return total, np.sqrt(np.maximum(squares, np.float32(_LEAST_SPREAD**2)))

    @cached_property
    def after(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Statistics of the overlap at each shift, with this picture as the later one.

        The three arrays are the mean, the same root as in `before`, and the root times the least significant
        correlation. The overlap at a shift equals that of the earlier picture at the opposite shift.
        """
        share, _, least = _counts(self.gray.shape)
        rows, columns = (-np.arange(n) % n for n in share.shape)
        total, spread = (part.take(columns, 1).take(rows, 0) for part in self.before)
        return total * share, spread, spread * least


def unmoved(before: Picture, now: Picture) -> bool:
    """Return True if two pictures show the same view. This quick check suffices for most frames of a resting stage."""
    return float(np.vdot(before.gray, now.gray)) > _ALIKE * float(np.sqrt(before.norm * now.norm + 1e-6))


@lru_cache(maxsize=4)
def _fast_size(shape: tuple[int, int]) -> tuple[int, int]:
    """Return a size with a fast transform in which no shift of the image wraps onto itself."""
    return cv2.getOptimalDFTSize(2 * shape[0]), cv2.getOptimalDFTSize(2 * shape[1])


@lru_cache(maxsize=4)
def _overlaps(shape: tuple[int, int]) -> tuple[IntArray, IntArray]:
    """Return the row and column ranges of the overlap at each shift, in the earlier picture.

    Each range is the first index and one past the last index; both are 0 for unused shifts.
    """
    found = []
    for length, fast in zip(shape, _fast_size(shape), strict=True):
        shift = (np.arange(fast) + length) % fast - length
        overlap = np.stack([np.maximum(shift, 0), np.minimum(shift, 0) + length])
        found.append(np.where(np.abs(shift) < length, overlap, 0))
    return found[0], found[1]


@lru_cache(maxsize=4)
def _counts(shape: tuple[int, int]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return three arrays over all shifts.

    They are: 1 over the number of pixels of the overlap; the root of the number of cells in it, 0 if it is too small;
    and the least significant correlation, slightly reduced, or an unreachable value if the overlap is too small.
    """
    rows, columns = _overlaps(shape)
    count = np.outer(rows[1] - rows[0], columns[1] - columns[0]).astype(np.float32)
    cells = np.sqrt(count * np.float32(UM_PER_PX**2 / _CELL_AREA_UM2))
    cells[count < LEAST_OVERLAP * shape[0] * shape[1]] = 0
    with np.errstate(divide="ignore"):
        least = np.where(cells > 0, np.tanh(np.float32(_SIGNIFICANT) / cells) * np.float32(0.9999), _NEVER)
    return 1 / np.maximum(count, 1), cells, least.astype(np.float32)


def displacement(before: Picture, now: Picture) -> tuple[float, float] | None:
    """Return the displacement of the view between two pictures in pixels (x, y), or None if they share too little.

    The method is normalized cross-correlation at each shift, each over its own overlap (Padfield 2012; with
    rectangular masks, the local sums are running sums). A small overlap therefore counts as much as a large one, and
    the regular spacing of erythrocytes, similar at many shifts but equal at only one, does not mislead. A correlation
    is accepted by its significance: Fisher's z times the root of the number of cells in the overlap.
    """
    shape = before.gray.shape
    product = cv2.mulSpectrums(before.spectrum, now.spectrum, 0, conjB=True)
    cross = np.asarray(cv2.dft(product, flags=cv2.DFT_INVERSE | cv2.DFT_SCALE | cv2.DFT_REAL_OUTPUT))
    (sum_before, spread_before), (mean_now, spread_now, least_now) = before.before, now.after
    # Most shifts do not match, and most pairs have no match at all. Five array passes find the few candidates.
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
    """Refine a displacement (x, y) that is known to within _REACH_PX pixels.

    Returns the displacement in pixels (x, y) and its significance, or None if the pictures do not match there.
    """
    height, width = before.gray.shape
    dx, dy = round(x), round(y)
    left, right = max(0, _REACH_PX - dx), min(width, width - dx - _REACH_PX)
    top, bottom = max(0, _REACH_PX - dy), min(height, height - dy - _REACH_PX)
    if right - left < 8 or bottom - top < 8 or (right - left) * (bottom - top) < LEAST_OVERLAP * height * width:
        return None
    part = now.gray[top:bottom, left:right]
    around = before.gray[top + dy - _REACH_PX : bottom + dy + _REACH_PX, left + dx - _REACH_PX : right + dx + _REACH_PX]
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
