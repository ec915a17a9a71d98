"""Where on the smear each field lies, from its overlap with fields seen before."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

UM_PER_PX = 0.8
"""Scale at which overlaps are looked for: an erythrocyte is 9 px wide."""
_LEAST_OVERLAP = 0.08
_LEAST_CORRELATION = 0.6
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

    def locate(self, overview: npt.NDArray[np.uint8], um_per_px: float) -> Place:
        """Place of a field from a grey uint8 picture of it; a new region when it overlaps none that is known."""
        factor = um_per_px / UM_PER_PX
        small = cv2.resize(overview, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA).astype(np.float32)
        small -= cv2.GaussianBlur(small, (0, 0), 12)  # uneven light would correlate with itself
        if not self._seen or self._seen[-1].grey.shape != small.shape:
            return self._begin(small)
        last = self._seen[-1]
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
        place = Place(
            float(np.median([m.x_um for m in same])), float(np.median([m.y_um for m in same])), region
        )
        self._seen.append(_Seen(small, place))
        return place

    def _begin(self, small: FloatArray) -> Place:
        self._region += 1
        place = Place(0.0, 0.0, self._region)
        self._seen.append(_Seen(small, place))
        return place

    @staticmethod
    def _from(seen: _Seen, moved: tuple[float, float]) -> Place:
        return Place(
            seen.place.x_um + moved[0] * UM_PER_PX, seen.place.y_um + moved[1] * UM_PER_PX, seen.place.region
        )

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


def displacement(before: FloatArray, now: FloatArray) -> tuple[float, float] | None:
    """How far, in pixels (x, y), the view moved over the smear between two pictures; None when they share too little.

    Normalised cross-correlation at every shift, each over its own overlap (Padfield 2012, with rectangular
    masks the local sums are running sums), so that a small overlap counts as well as a large one and the
    regular spacing of erythrocytes, alike at many shifts but equal at one, does not deceive.
    """
    height, width = before.shape
    fast = (cv2.getOptimalDFTSize(2 * height), cv2.getOptimalDFTSize(2 * width))
    spectrum = np.fft.rfft2(before, fast) * np.conj(np.fft.rfft2(now, fast))
    cross = np.fft.irfft2(spectrum, fast)
    dy, dx = (np.concatenate([np.arange(n), np.arange(-n, 0)]) for n in (height, width))
    cross = cross[np.ix_(dy % fast[0], dx % fast[1])]
    y0, y1 = np.maximum(dy, 0), np.minimum(dy, 0) + height
    x0, x1 = np.maximum(dx, 0), np.minimum(dx, 0) + width
    count = np.outer(y1 - y0, x1 - x0).astype(np.float64)

    def sums(values: FloatArray, rows: tuple[npt.NDArray[np.int64], ...], columns: tuple[npt.NDArray[np.int64], ...]) -> npt.NDArray[np.float64]:
        table = np.zeros((height + 1, width + 1))
        table[1:, 1:] = values.astype(np.float64).cumsum(0).cumsum(1)
        (a, b), (c, d) = rows, columns
        return np.asarray(table[np.ix_(b, d)] - table[np.ix_(a, d)] - table[np.ix_(b, c)] + table[np.ix_(a, c)])

    here, there = ((y0, y1), (x0, x1)), ((y0 - dy, y1 - dy), (x0 - dx, x1 - dx))
    sum_before, sum_now = sums(before, *here), sums(now, *there)
    n = np.maximum(count, 1)
    var_before = sums(before**2, *here) - sum_before**2 / n
    var_now = sums(now**2, *there) - sum_now**2 / n
    enough = (count >= _LEAST_OVERLAP * height * width) & (var_before > 0) & (var_now > 0)
    spread = np.sqrt(np.maximum(var_before * var_now, 1e-9))
    correlation = np.where(enough, (cross - sum_before * sum_now / n) / spread, -1.0)
    row, column = np.unravel_index(int(correlation.argmax()), correlation.shape)
    if correlation[row, column] < _LEAST_CORRELATION:
        return None
    shift_x = float(dx[column]) + _vertex(correlation[row], int(column))
    shift_y = float(dy[row]) + _vertex(correlation[:, column], int(row))
    return shift_x, shift_y


def _vertex(line: npt.NDArray[np.float64], i: int) -> float:
    before, top, after = (float(line[(i + k) % len(line)]) for k in (-1, 0, 1))
    bend = before - 2 * top + after
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))
