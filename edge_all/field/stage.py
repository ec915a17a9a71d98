"""Position of each field on the smear, from its overlap with earlier fields."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.field.downsample import shrunk
from edge_all.field.registration import (
    LEAST_OVERLAP,
    UM_PER_PX,
    FloatArray,
    Picture,
    displacement,
    displacement_near,
    unmoved,
)
from edge_all.field.spatial_grid import SpatialGrid

_REMEMBERED = 600
"""Number of fields in memory, 26 kB each."""
_NEIGHBORS = 3
_READY = 12
"""Number of latest pictures whose sums stay cached, a quarter of a megabyte each."""
_COVERED = 0.8
"""Share of a field in another one from which on it adds nothing to what can be recognized."""
_PLAIN = 0.3
"""Overlap of two fields from which on they must look alike."""
_TILE_UM = 60.0
_OTHER_SIZE = 0.1
"""Relative difference in size from which on a field comes from other camera settings; a scale that is measured field by
field varies less."""


@dataclass(frozen=True)
class Place:
    """Upper left corner of a field on the smear within its region, in micrometers."""

    x_um: float
    y_um: float
    region: int

    def shifted(self, x_um: float, y_um: float) -> Place:
        """Return the place moved right and down by the given micrometers."""
        return Place(self.x_um + x_um, self.y_um + y_um, self.region)


@dataclass(frozen=True, eq=False)
class StageField:
    """A field in the form in which the stage compares it, with its position."""

    gray: FloatArray
    """float32, H x W at UM_PER_PX, with uneven light removed."""
    place: Place


@dataclass(frozen=True, eq=False)
class _Seen:
    picture: Picture
    place: Place


class Stage:
    """Tracker of the stage position that remembers the fields seen so far. Memory is bounded."""

    def __init__(self) -> None:
        self._atlas: dict[int, _Seen] = {}
        """Fields seen so far, in order, none covered by another. The oldest one is dropped when it is full."""
        self._where: defaultdict[int, SpatialGrid[int]] = defaultdict(partial(SpatialGrid, _TILE_UM))
        """Spatial index of the same fields, by region."""
        self._latest: deque[_Seen] = deque(maxlen=_READY)
        self._count = 0
        self._region = -1
        self._now: Picture | None = None
        self._measured_from: Picture | None = None
        self._unlike: Picture | None = None
        """Picture that did not match the newest frame."""
        self._here: Place | None = None
        """Position of the newest frame, or None after a move that could not be tracked."""
        self._um_per_px: float | None = None
        self._size: tuple[int, int] = (0, 0)
        """Width and height of the compared pictures."""
        self._located = False

    def restore(self, fields: Sequence[StageField], regions: int) -> None:
        """Restore earlier fields, the latest last, and the number of regions. Call this before the first frame."""
        self._region = max([regions - 1, *(f.place.region for f in fields)])
        for field in fields:
            self._arrived(field.place, Picture(field.gray), known=False)
        self._here = None  # movements since then are unknown

    @property
    def newest(self) -> StageField:
        """The last located field."""
        assert self._now is not None
        assert self._here is not None, "locate comes first"
        return StageField(self._now.gray, self._here)

    @property
    def regions(self) -> int:
        """Number of regions so far."""
        return self._region + 1

    def follow(self, overview: npt.NDArray[np.uint8], um_per_px: float) -> tuple[float, float] | None:
        """Return the movement (x, y) since the previous frame in micrometers, or None if it is unknown.

        Call this for each frame of the camera, sharp or not. It is unknown for the first frame.

        Args:
            overview: Gray image, uint8, H x W.
            um_per_px: Scale of the image in micrometers per pixel.
        """
        now = self._now = self._picture(overview, um_per_px)
        before = self._measured_from
        if before is not None and unmoved(before, now):
            return 0.0, 0.0  # slow drift adds up, because the reference picture stays the same
        self._measured_from = now
        moved = displacement(before, now) if before is not None else None
        self._unlike = before if moved is None else None
        if moved is None:
            self._here = None
            return None
        x_um, y_um = moved[0] * UM_PER_PX, moved[1] * UM_PER_PX
        if self._here is not None:
            self._here = self._here.shifted(x_um, y_um)
        return x_um, y_um

    def locate(self) -> Place:
        """Return the position of the last followed frame, which must be a good one.

        It starts a new region if it does not overlap any known field.
        """
        now = self._now
        assert now is not None, "follow comes first"
        if not self._located:
            self._located = True
            self._leave_out_other_sizes()
        near = self._near(self._here, now)
        if self._here is not None and near and near[0][1] > _COVERED and unmoved(near[0][0].picture, now):
            return self._arrived(near[0][0].place, now, known=True)
        measured = self._matched(self._here, [seen for seen, _ in near], now) if self._here is not None else []
        if not measured and (self._here is None or (near and near[0][1] > _PLAIN)):
            # The position is lost or wrong. Perhaps the stage only moved back a little.
            for seen in list(self._latest)[-1 : -2 - _NEIGHBORS : -1]:
                moved = None if seen.picture is self._unlike else displacement(seen.picture, now)
                if moved is not None:
                    measured.append(seen.place.shifted(moved[0] * UM_PER_PX, moved[1] * UM_PER_PX))
            if not measured:
                self._region += 1
                return self._arrived(Place(0.0, 0.0, self._region), now, known=False)
        place = _middle(measured) if measured else self._here
        assert place is not None
        return self._arrived(place, now, known=bool(near) and near[0][1] > _COVERED and bool(measured))

    def recognize(self, candidates: Sequence[Place]) -> Place | None:
        """Return the candidate that the located frame shows, matched by its erythrocytes, or None.

        The frame's region, with all fields seen there, becomes part of the candidate's region.
        """
        now, here = self._now, self._here
        assert now is not None, "follow comes first"
        assert here is not None, "locate comes first"
        found: list[tuple[float, Place]] = []
        for candidate in candidates:
            near = [seen for seen, _ in self._near(candidate, now)]
            # Most candidates do not match, and the field with the largest overlap already shows this.
            agreed = self._compared(candidate, near[:1], now)
            agreed += self._compared(candidate, near[1:], now) if agreed else []
            # Two adjacent large cells may look like two others, but most of the fields around will differ.
            if agreed and 2 * len(agreed) >= len(near) and candidate.region != here.region:
                found.append((max(s for _, s in agreed), _middle([p for p, _ in agreed])))
        if not found:
            return None
        _, place = max(found, key=lambda f: f[0])
        self._join(here.region, place.region, place.x_um - here.x_um, place.y_um - here.y_um)
        self._here = place
        return place

    def _picture(self, overview: npt.NDArray[np.uint8], um_per_px: float) -> Picture:
        factor = um_per_px / UM_PER_PX
        size = (max(16, round(overview.shape[1] * factor)), max(16, round(overview.shape[0] * factor)))
        # The optics do not change while it runs, but before the first good frame the scale may be wrong.
        mistaken = self._um_per_px != um_per_px and not self._located
        if mistaken or _differ(size, self._size):  # or the first frame, or changed camera settings
            self._size, self._um_per_px = size, um_per_px
            self._measured_from = self._here = None
            if self._located:
                self._leave_out_other_sizes()
        # Do the remaining resize on a quarter of the pixels.
        half = 2 if overview.shape[1] >= 4 * self._size[0] else 1
        small = cv2.resize(shrunk(overview, half), self._size, interpolation=cv2.INTER_AREA).astype(np.float32)
        small -= cv2.GaussianBlur(small, (0, 0), 8)  # uneven light would correlate with itself
        return Picture(small)

    def _leave_out_other_sizes(self) -> None:
        """Drop restored fields from other camera settings, which cannot be compared with the current ones."""
        shape = self._size[::-1]
        for number in [n for n, seen in self._atlas.items() if seen.picture.gray.shape != shape]:
            self._drop(number)
        self._latest = deque((s for s in self._latest if s.picture.gray.shape == shape), maxlen=_READY)

    def _matched(self, guess: Place, near: Sequence[_Seen], now: Picture) -> list[Place]:
        """Return the position according to each of these fields that agrees with the guess."""
        return [place for place, _ in self._compared(guess, near, now)]

    def _compared(self, guess: Place, near: Sequence[_Seen], now: Picture) -> list[tuple[Place, float]]:
        """Return the same positions, each with its significance."""
        places = []
        for seen in near:
            x, y = (guess.x_um - seen.place.x_um) / UM_PER_PX, (guess.y_um - seen.place.y_um) / UM_PER_PX
            moved = displacement_near(seen.picture, now, x, y)
            if moved is not None:
                place = seen.place.shifted(moved[0] * UM_PER_PX, moved[1] * UM_PER_PX)
                places.append((place, moved[2]))
        return places

    def _near(self, guess: Place | None, now: Picture) -> list[tuple[_Seen, float]]:
        """Return the earlier fields that overlap the guess most, with their overlap shares, largest first."""
        if guess is None or guess.region not in self._where:
            return []
        height, width = (n * UM_PER_PX for n in now.gray.shape)
        found = []
        for number, _ in self._where[guess.region].near(guess.x_um, guess.y_um, float(np.hypot(width, height))):
            seen = self._atlas[number]
            x = 1 - abs(seen.place.x_um - guess.x_um) / width
            y = 1 - abs(seen.place.y_um - guess.y_um) / height
            share = max(x, 0) * max(y, 0)
            if share > 2 * LEAST_OVERLAP:
                found.append((share, number, seen))
        found.sort(key=lambda f: (-f[0], f[1]))
        return [(seen, share) for share, _, seen in found[:_NEIGHBORS]]

    def _arrived(self, place: Place, now: Picture, known: bool) -> Place:
        """Store the newest field at its position, unless the atlas already shows it (`known`)."""
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
        """Move all fields of a region into another region, shifted by the given micrometers."""
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
    """Return the median of the places in the first one's region, so that errors of single steps do not add up."""
    same = [p for p in places if p.region == places[0].region]
    x, y = (float(np.median([getattr(p, axis) for p in same])) for axis in ("x_um", "y_um"))
    return Place(x, y, places[0].region)


def _differ(size: tuple[int, int], other: tuple[int, int]) -> bool:
    return any(abs(a - b) > _OTHER_SIZE * b for a, b in zip(size, other, strict=True))
