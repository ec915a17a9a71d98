"""Where on the smear each field lies, from its overlap with fields seen before."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.field.shrinking import shrunk
from edge_all.places import Places

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
_REMEMBERED = 600
"""Fields, 26 kB each."""
_NEIGHBOURS = 3
_READY = 12
"""Latest pictures whose sums are kept, a quarter of a megabyte each."""
_COVERED = 0.8
"""A field of which another shows this share adds nothing to what can be recognised."""
_PLAIN = 0.3
"""Where a field overlaps another by this share, the two must look alike."""
_REACH_PX = 5
"""How far, at UM_PER_PX, a place may be from where it was thought to be."""
_SIGNIFICANT_THERE = 4.0
"""A hundred shifts are tried near a guess, not tens of thousands: chance reaches less far."""
_TILE_UM = 60.0
_OTHER_SIZE = 0.1
"""A field of a size so far from the first one's, in um, is of a camera that was set otherwise; a scale that is measured
field by field varies less."""


@dataclass(frozen=True)
class Place:
    """Upper left corner of a field on the smear, um, within its region."""

    x_um: float
    y_um: float
    region: int

    def shifted(self, x_um: float, y_um: float) -> Place:
        """A place so far to the right and below."""
        return Place(self.x_um + x_um, self.y_um + y_um, self.region)


@dataclass(frozen=True, eq=False)
class KnownField:
    """A field as the stage compares it: float32, H x W at UM_PER_PX, uneven light taken out; and where it lies."""

    grey: FloatArray
    place: Place


@dataclass(frozen=True, eq=False)
class _Seen:
    picture: Picture
    place: Place


class Stage:
    """Follows the stage from frame to frame and knows the fields that it has shown; memory is bounded."""

    def __init__(self) -> None:
        self._atlas: dict[int, _Seen] = {}
        """Fields seen, by the order in which they were, none covered by another; the oldest makes room."""
        self._where: defaultdict[int, Places[int]] = defaultdict(partial(Places, _TILE_UM))
        """The same where they lie, by region."""
        self._latest: deque[_Seen] = deque(maxlen=_READY)
        self._count = 0
        self._region = -1
        self._now: Picture | None = None
        self._measured_from: Picture | None = None
        self._here: Place | None = None
        """Of the newest frame; None after a move that could not be followed."""
        self._um_per_px: float | None = None
        self._size: tuple[int, int] = (0, 0)
        """Width and height of the pictures that are compared."""
        self._located = False

    def restore(self, fields: Sequence[KnownField], regions: int) -> None:
        """Before the first frame: fields that were seen earlier, the latest last, and how many regions were begun."""
        self._region = max([regions - 1, *(f.place.region for f in fields)])
        for field in fields:
            self._arrived(field.place, Picture(field.grey), known=False)
        self._here = None  # what was moved since is not known

    @property
    def newest(self) -> KnownField:
        """The field that was located last."""
        assert self._now is not None
        assert self._here is not None, "locate comes first"
        return KnownField(self._now.grey, self._here)

    @property
    def regions(self) -> int:
        """How many were begun."""
        return self._region + 1

    def follow(self, overview: npt.NDArray[np.uint8], um_per_px: float) -> tuple[float, float] | None:
        """How far, in um (x, y), the view moved since the frame before; every frame of the camera, sharp or not, as a
        grey uint8 picture. None: it cannot be told, or this is the first."""
        now = self._now = self._picture(overview, um_per_px)
        before = self._measured_from
        if before is not None and _unmoved(before, now):
            return 0.0, 0.0  # a slow creep adds up, as the picture that it is measured from stays
        self._measured_from = now
        moved = displacement(before, now) if before is not None else None
        if moved is None:
            self._here = None
            return None
        x_um, y_um = moved[0] * UM_PER_PX, moved[1] * UM_PER_PX
        if self._here is not None:
            self._here = self._here.shifted(x_um, y_um)
        return x_um, y_um

    def locate(self) -> Place:
        """Place of the frame that was followed last, a good one; a new region when it overlaps none that is known."""
        now = self._now
        assert now is not None, "follow comes first"
        if not self._located:
            self._located = True
            self._leave_out_other_sizes()
        near = self._near(self._here, now)
        if self._here is not None and near and near[0][1] > _COVERED and _unmoved(near[0][0].picture, now):
            return self._arrived(near[0][0].place, now, known=True)
        measured = self._matched(self._here, [seen for seen, _ in near], now) if self._here is not None else []
        if not measured and (self._here is None or (near and near[0][1] > _PLAIN)):
            # Lost, or not where it was thought to be: perhaps the stage only went back a little.
            for seen in list(self._latest)[-1 : -2 - _NEIGHBOURS : -1]:
                moved = displacement(seen.picture, now)
                if moved is not None:
                    measured.append(seen.place.shifted(moved[0] * UM_PER_PX, moved[1] * UM_PER_PX))
            if not measured:
                self._region += 1
                return self._arrived(Place(0.0, 0.0, self._region), now, known=False)
        place = _middle(measured) if measured else self._here
        assert place is not None
        return self._arrived(place, now, known=bool(near) and near[0][1] > _COVERED and bool(measured))

    def recognise(self, candidates: Sequence[Place]) -> Place | None:
        """Which of these the located frame really shows, by its erythrocytes; None when it is none of them. Its
        region, with all that was seen there, becomes a part of the recognised one."""
        now, here = self._now, self._here
        assert now is not None, "follow comes first"
        assert here is not None, "locate comes first"
        for candidate in candidates:
            near = [seen for seen, _ in self._near(candidate, now)]
            found = self._matched(candidate, near, now)
            if found and candidate.region != here.region:
                place = _middle(found)
                self._join(here.region, place.region, place.x_um - here.x_um, place.y_um - here.y_um)
                self._here = place
                return place
        return None

    def _picture(self, overview: npt.NDArray[np.uint8], um_per_px: float) -> Picture:
        factor = um_per_px / UM_PER_PX
        size = (max(16, round(overview.shape[1] * factor)), max(16, round(overview.shape[0] * factor)))
        # The optic does not change while it runs, but before the first good frame its scale may be mistaken.
        mistaken = self._um_per_px != um_per_px and not self._located
        if mistaken or _differ(size, self._size):  # or the first frame, or a camera that was set otherwise
            self._size, self._um_per_px = size, um_per_px
            self._measured_from = self._here = None
            if self._located:
                self._leave_out_other_sizes()
        # What is left of a whole step is done on a quarter of the pixels.
        half = 2 if overview.shape[1] >= 4 * self._size[0] else 1
        small = cv2.resize(shrunk(overview, half), self._size, interpolation=cv2.INTER_AREA).astype(np.float32)
        small -= cv2.GaussianBlur(small, (0, 0), 8)  # uneven light would correlate with itself
        return Picture(small)

    def _leave_out_other_sizes(self) -> None:
        """Restored fields of another camera setting compare with none of these."""
        shape = self._size[::-1]
        for number in [n for n, seen in self._atlas.items() if seen.picture.grey.shape != shape]:
            self._drop(number)
        self._latest = deque((s for s in self._latest if s.picture.grey.shape == shape), maxlen=_READY)

    def _matched(self, guess: Place, near: Sequence[_Seen], now: Picture) -> list[Place]:
        """What each of these fields says of the place, where it agrees with the guess."""
        places = []
        for seen in near:
            x, y = (guess.x_um - seen.place.x_um) / UM_PER_PX, (guess.y_um - seen.place.y_um) / UM_PER_PX
            moved = displacement_near(seen.picture, now, x, y)
            if moved is not None:
                places.append(seen.place.shifted(moved[0] * UM_PER_PX, moved[1] * UM_PER_PX))
        return places

    def _near(self, guess: Place | None, now: Picture) -> list[tuple[_Seen, float]]:
        """Earlier fields that overlap the guess most, the most first, with the share that they overlap."""
        if guess is None or guess.region not in self._where:
            return []
        height, width = (n * UM_PER_PX for n in now.grey.shape)
        found = []
        for number, _ in self._where[guess.region].near(guess.x_um, guess.y_um, float(np.hypot(width, height))):
            seen = self._atlas[number]
            x = 1 - abs(seen.place.x_um - guess.x_um) / width
            y = 1 - abs(seen.place.y_um - guess.y_um) / height
            share = max(x, 0) * max(y, 0)
            if share > 2 * _LEAST_OVERLAP:
                found.append((share, number, seen))
        found.sort(key=lambda f: (-f[0], f[1]))
        return [(seen, share) for share, _, seen in found[:_NEIGHBOURS]]

    def _arrived(self, place: Place, now: Picture, known: bool) -> Place:
        """known: fields in the atlas show as much."""
        self._here = place
        self._latest.append(_Seen(now, place))
        if not known:
            self._count += 1
            self._atlas[self._count] = _Seen(now, place)
            self._where[place.region].put(self._count, place.x_um, place.y_um)
            if len(self._atlas) > _READY:
                self._atlas[max(self._count - _READY, next(iter(self._atlas)))].picture.forget()
            if len(self._atlas) > _REMEMBERED:
                self._drop(next(iter(self._atlas)))
        return place

    def _drop(self, number: int) -> None:
        region = self._atlas.pop(number).place.region
        self._where[region].drop(number)
        if not len(self._where[region]):
            del self._where[region]

    def _join(self, region: int, to: int, x_um: float, y_um: float) -> None:
        """All that was seen in a region was really seen in another, so far away."""
        self._where.pop(region, None)
        for number, seen in self._atlas.items():
            if seen.place.region == region:
                place = Place(seen.place.x_um + x_um, seen.place.y_um + y_um, to)
                self._atlas[number] = _Seen(seen.picture, place)
                self._where[to].put(number, place.x_um, place.y_um)
        self._latest = deque(
            (
                _Seen(s.picture, Place(s.place.x_um + x_um, s.place.y_um + y_um, to)) if s.place.region == region else s
                for s in self._latest
            ),
            maxlen=_READY,
        )


def _middle(places: Sequence[Place]) -> Place:
    """The median of what the neighbours of the first one's region say: errors of single steps do not add up."""
    same = [p for p in places if p.region == places[0].region]
    x, y = (float(np.median([getattr(p, axis) for p in same])) for axis in ("x_um", "y_um"))
    return Place(x, y, places[0].region)


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


def displacement_near(before: Picture, now: Picture, x: float, y: float) -> tuple[float, float] | None:
    """The same as displacement where it is already known to _REACH_PX pixels; None when the pictures are not alike
    there."""
    height, width = before.grey.shape
    dx, dy = round(x), round(y)
    left, right = max(0, _REACH_PX - dx), min(width, width - dx - _REACH_PX)
    top, bottom = max(0, _REACH_PX - dy), min(height, height - dy - _REACH_PX)
    if right - left < 8 or bottom - top < 8 or (right - left) * (bottom - top) < _LEAST_OVERLAP * height * width:
        return None
    part = now.grey[top:bottom, left:right]
    around = before.grey[top + dy - _REACH_PX : bottom + dy + _REACH_PX, left + dx - _REACH_PX : right + dx + _REACH_PX]
    correlation = np.asarray(cv2.matchTemplate(around, part, cv2.TM_CCOEFF_NORMED), np.float32)
    row, column = np.unravel_index(int(correlation.argmax()), correlation.shape)
    cells = np.sqrt(part.size * UM_PER_PX**2 / _CELL_AREA_UM2)
    if np.arctanh(min(float(correlation[row, column]), 0.999)) * cells < _SIGNIFICANT_THERE:
        return None
    return (
        dx + float(column) - _REACH_PX + _vertex(correlation[row], int(column)),
        dy + float(row) - _REACH_PX + _vertex(correlation[:, column], int(row)),
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


def _differ(size: tuple[int, int], other: tuple[int, int]) -> bool:
    return any(abs(a - b) > _OTHER_SIZE * b for a, b in zip(size, other, strict=True))
