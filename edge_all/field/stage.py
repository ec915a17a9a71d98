"""Where on the smear each field lies, from its overlap with fields seen before."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt

from edge_all.field.displacement import (
    LEAST_OVERLAP,
    UM_PER_PX,
    FloatArray,
    Picture,
    displacement,
    displacement_near,
    unmoved,
)
from edge_all.field.shrinking import shrunk
from edge_all.places import Places

_REMEMBERED = 600
"""Fields, 26 kB each."""
_NEIGHBOURS = 3
_READY = 12
"""Latest pictures whose sums are kept, a quarter of a megabyte each."""
_COVERED = 0.8
"""A field of which another shows this share adds nothing to what can be recognised."""
_PLAIN = 0.3
"""Where a field overlaps another by this share, the two must look alike."""
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
        self._unlike: Picture | None = None
        """With what the newest frame was compared in vain."""
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
        if before is not None and unmoved(before, now):
            return 0.0, 0.0  # a slow creep adds up, as the picture that it is measured from stays
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
        """Place of the frame that was followed last, a good one; a new region when it overlaps none that is known."""
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
            # Lost, or not where it was thought to be: perhaps the stage only went back a little.
            for seen in list(self._latest)[-1 : -2 - _NEIGHBOURS : -1]:
                moved = None if seen.picture is self._unlike else displacement(seen.picture, now)
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
        found: list[tuple[float, Place]] = []
        for candidate in candidates:
            near = [seen for seen, _ in self._near(candidate, now)]
            # Most candidates are none: what overlaps it most says so.
            agreed = self._compared(candidate, near[:1], now)
            agreed += self._compared(candidate, near[1:], now) if agreed else []
            # Two large cells side by side may look like two others, but not to most of the fields around.
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
        return [place for place, _ in self._compared(guess, near, now)]

    def _compared(self, guess: Place, near: Sequence[_Seen], now: Picture) -> list[tuple[Place, float]]:
        """The same, each with its significance."""
        places = []
        for seen in near:
            x, y = (guess.x_um - seen.place.x_um) / UM_PER_PX, (guess.y_um - seen.place.y_um) / UM_PER_PX
            moved = displacement_near(seen.picture, now, x, y)
            if moved is not None:
                place = seen.place.shifted(moved[0] * UM_PER_PX, moved[1] * UM_PER_PX)
                places.append((place, moved[2]))
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
            if share > 2 * LEAST_OVERLAP:
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


def _differ(size: tuple[int, int], other: tuple[int, int]) -> bool:
    return any(abs(a - b) > _OTHER_SIZE * b for a, b in zip(size, other, strict=True))
