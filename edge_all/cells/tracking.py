"""Tells a cell that is known from a new one, by its place on the smear: count once."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from edge_all.places import Places
from edge_all.vocabulary import Detection, Field

_SAME_CELL = 0.6
"""Two places nearer than this share of the radius are one cell."""
_SHARPER = 1.1
_REMEMBERED_FIELDS = 400
_TILE_UM = 6.0


@dataclass(frozen=True)
class Sighting:
    """A detection and the cell it shows."""

    number: int
    """Of the cell, counted from 1 in order of discovery."""
    detection: Detection
    new: bool
    sharper: bool
    """A better view than the one the cell was judged by (always True for a new cell)."""
    views: int


@dataclass(frozen=True)
class _Known:
    number: int
    x_um: float
    y_um: float
    radius_um: float
    region: int
    sharpness: float
    whole: bool
    views: int
    last_field: int


class Tracker:
    """Field and detections -> sightings."""

    def __init__(self, independent_fields: bool, last_number: int = 0) -> None:
        """independent_fields: every detection is a cell of its own. last_number: of the cells counted before."""
        self._independent = independent_fields
        self._known: dict[int, _Known] = {}
        self._places: defaultdict[int, Places[int]] = defaultdict(partial(Places, _TILE_UM))
        """Numbers of the known cells where they lie, um, by region."""
        self._seen: deque[list[int]] = deque([[]])
        """Numbers of the cells of the latest fields."""
        self._largest_um = 0.0
        """Radius of the largest cell so far: how far a match may lie."""
        self._count = last_number
        self._fields = 0

    def track(self, field: Field, detections: Sequence[Detection]) -> list[Sighting]:
        """One sighting for each detection, in their order (numbers go by row, then column)."""
        self._fields += 1
        sightings = []
        taken: set[int] = set()
        for detection in detections:
            known = None if self._independent else self._match(field, detection, taken)
            if known is None:
                self._count += 1
                number, views, sharper = self._count, 1, True
            else:
                number, views = known.number, known.views + 1
                sharper = _is_better(field, detection, known)
            taken.add(number)
            sightings.append(Sighting(number, detection, known is None, sharper, views))
            if not self._independent:
                self._remember(field, detection, number, views, known, sharper)
        if not self._independent:
            self._seen.append([s.number for s in sightings])
            self._forget()
        return sightings

    def left(self, field: Field) -> list[int]:
        """Numbers of cells seen before whose place is not in this field: their count is final for now."""
        if self._independent or self._fields < 2:
            return []
        width, height = (n * field.um_per_px for n in (field.frame.width_px, field.frame.height_px))

        def in_view(k: _Known) -> bool:
            x, y = k.x_um - field.place_um[0], k.y_um - field.place_um[1]
            return k.region == field.region and 0 <= x <= width and 0 <= y <= height

        before = (self._known[number] for number in sorted(self._seen[-2]))
        return [k.number for k in before if k.last_field == self._fields - 1 and not in_view(k)]

    def _match(self, field: Field, detection: Detection, taken: set[int]) -> _Known | None:
        x, y, radius = _on_smear(field, detection)
        if field.region not in self._places:
            return None
        best: tuple[float, int] | None = None
        for number, square in self._places[field.region].near(x, y, _SAME_CELL * max(radius, self._largest_um)):
            reach = _SAME_CELL * max(radius, self._known[number].radius_um)
            if number not in taken and square < reach * reach and (best is None or (square, number) < best):
                best = (square, number)
        return None if best is None else self._known[best[1]]

    def _remember(
        self, field: Field, detection: Detection, number: int, views: int, known: _Known | None, sharper: bool
    ) -> None:
        if known is not None and not sharper:
            kept = (known.x_um, known.y_um, known.radius_um, known.region, known.sharpness, known.whole)
        else:
            kept = (
                *_on_smear(field, detection),
                field.region,
                field.quality.sharpness,
                _is_whole(field, detection),
            )
        now = _Known(number, *kept, views=views, last_field=self._fields)
        self._known[number] = now
        self._places[now.region].put(number, now.x_um, now.y_um)
        self._largest_um = max(self._largest_um, now.radius_um)

    def _forget(self) -> None:
        """Cells of long ago make room, so that memory stays flat over a day."""
        while len(self._seen) > _REMEMBERED_FIELDS:
            oldest = self._fields - len(self._seen) + 1
            for number in self._seen.popleft():
                known = self._known[number]
                if known.last_field <= oldest:
                    del self._known[number]
                    self._unplace(known)

    def _unplace(self, known: _Known) -> None:
        places = self._places[known.region]
        places.drop(known.number)
        if not len(places):
            del self._places[known.region]


def _on_smear(field: Field, detection: Detection) -> tuple[float, float, float]:
    scale = field.um_per_px
    return (
        field.place_um[0] + detection.x_px * scale,
        field.place_um[1] + detection.y_px * scale,
        detection.radius_px * scale,
    )


def _is_whole(field: Field, detection: Detection) -> bool:
    left, top, width, height = detection.box_px
    return left >= 0 and top >= 0 and left + width <= field.frame.width_px and top + height <= field.frame.height_px


def _is_better(field: Field, detection: Detection, known: _Known) -> bool:
    whole = _is_whole(field, detection)
    if whole != known.whole:
        return whole
    return field.quality.sharpness > _SHARPER * known.sharpness
