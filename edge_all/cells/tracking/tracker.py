"""Tracking of cells by their position on the smear, so that each cell is counted once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge_all.cells.tracking.cell_table import CellTable, TrackedCell
from edge_all.cells.tracking.landmarks import Landmarks
from edge_all.cells.tracking.restored_cell import RestoredCell
from edge_all.cells.tracking.view_fusion import SHARP, VIEWS_CLASSIFIED
from edge_all.domain.types import Detection, Field
from edge_all.field.stage import Place

_SAME_CELL = 0.6
"""Share of the radius below which the distance of two detections means that they are one cell."""
_SHARPER = 1.1
_MOST_KNOWN = 20_000
"""Largest number of cells in the table."""


@dataclass(frozen=True)
class TrackedDetection:
    """A detection that is assigned to a cell."""

    number: int
    """Number of the cell, counted from 1 in order of discovery."""
    detection: Detection
    new: bool
    sharper: bool
    """True if this is the best view of the cell so far (always True for a new cell)."""
    views: int
    classified: bool = True
    """True if the view is to be classified: the best so far, or one of the first three sharp ones."""
    whole: bool = True
    """True if the frame's edge does not cut the cell."""


class Tracker:
    """Tracker that assigns the detections of each field to new or known cells."""

    def __init__(self, independent_fields: bool, last_number: int = 0) -> None:
        """Create a tracker.

        Args:
            independent_fields: True if each detection is a new cell.
            last_number: Number of the last cell counted before.
        """
        self._independent = independent_fields
        self._known = CellTable(1 if independent_fields else _MOST_KNOWN)
        self._landmarks = Landmarks()
        self._last_seen: list[int] = []
        """Slots of the cells in the latest field."""
        self._seen_before: list[int] = []
        """Slots of the cells in the previous field."""
        self._largest_um = 0.0
        """Radius of the largest cell so far, which bounds the distance of a match."""
        self._count = last_number
        self._fields = 0

    def restore(self, cells: Sequence[RestoredCell]) -> None:
        """Restore cells that were counted earlier, the latest last. Call this before the first field."""
        for one in cells:
            cell, (x, y) = one.cell, one.cell.place_um
            radius = cell.detection.radius_px * cell.um_per_px
            classified = min(VIEWS_CLASSIFIED, cell.views)
            self._known.put(
                TrackedCell(
                    cell.number, x, y, radius, cell.region, cell.sharpness, one.whole, cell.views, classified, 0
                )
            )
            self._largest_um = max(self._largest_um, radius)
            self._landmarks.add(cell.region, x, y, radius)
            self._count = max(self._count, cell.number)

    def track(self, field: Field, detections: Sequence[Detection]) -> list[TrackedDetection]:
        """Assign each detection to a cell. New cells are numbered in the order of the detections.

        Returns:
            One tracked detection per detection, in order.
        """
        self._fields += 1
        if self._independent:
            self._count += len(detections)
            first = self._count - len(detections) + 1
            return [
                TrackedDetection(first + i, d, True, True, 1, whole=_is_whole(field, d))
                for i, d in enumerate(detections)
            ]
        self._known.make_room(len(detections))
        tracked_detections, seen = [], []
        for detection, slot in zip(detections, self._matches(field, detections), strict=True):
            known = None if slot is None else self._known[slot]
            if known is None:
                self._count += 1
                tracked = TrackedDetection(self._count, detection, True, True, 1, whole=_is_whole(field, detection))
            else:
                tracked = _seen_again(field, detection, known)
            tracked_detections.append(tracked)
            seen.append(self._remember(field, tracked, known, slot))
        self._seen_before, self._last_seen = self._last_seen, seen
        return tracked_detections

    def unknown(self, field: Field, detections: Sequence[Detection]) -> int:
        """Return the number of detections without a known cell at their position."""
        return sum(known is None for known in self._matches(field, detections))

    def perhaps_at(self, field: Field, detections: Sequence[Detection]) -> list[Place]:
        """Return places in other regions where known cells have the same arrangement, most likely first."""
        return self._landmarks.places(field.region, [_on_smear(field, d) for d in detections], field.place_um)

    def join(self, region: int, to: int, x_um: float, y_um: float) -> None:
        """Merge a region that turned out to be part of another one, shifted by the given micrometers."""
        self._landmarks.join(region, to, x_um, y_um)
        self._known.join(region, to, x_um, y_um)

    def left(self, field: Field) -> list[int]:
        """Return the numbers of cells in the previous field that are outside this field, which makes them final."""
        if self._independent or self._fields < 2:
            return []
        width, height = (n * field.um_per_px for n in (field.frame.width_px, field.frame.height_px))

        def in_view(k: TrackedCell) -> bool:
            x, y = k.x_um - field.place_um[0], k.y_um - field.place_um[1]
            return k.region == field.region and 0 <= x <= width and 0 <= y <= height

        before = (self._known[slot] for slot in self._seen_before)
        # A slot that was reused since then contains a cell of this field.
        return sorted(k.number for k in before if k.last_field == self._fields - 1 and not in_view(k))

    def _matches(self, field: Field, detections: Sequence[Detection]) -> list[int | None]:
        """Return the slot of the known cell of each detection, matching the nearest pairs first and each cell once."""
        matched: list[int | None] = [None] * len(detections)
        if not detections:
            return matched
        here = np.array([_on_smear(field, d) for d in detections])
        reach = _SAME_CELL * max(self._largest_um, float(here[:, 2].max()))
        (left, top), (right, bottom) = here[:, :2].min(0) - reach, here[:, :2].max(0) + reach
        slots = self._known.within(field.region, left, top, right, bottom)
        if not len(slots):
            return matched
        places, radii = self._known.circles(slots)
        square = ((here[:, None, :2] - places[None]) ** 2).sum(2)
        near = _SAME_CELL * np.maximum(here[:, None, 2], radii[None])
        rows, columns = np.nonzero(square < near * near)
        taken: set[int] = set()
        for k in np.argsort(square[rows, columns], kind="stable").tolist():
            i, slot = int(rows[k]), int(slots[columns[k]])
            if matched[i] is None and slot not in taken:
                matched[i] = slot
                taken.add(slot)
        return matched

    def _remember(self, field: Field, tracked: TrackedDetection, known: TrackedCell | None, slot: int | None) -> int:
        detection, number, classified = tracked.detection, tracked.number, 1
        if known is not None:
            classified = min(VIEWS_CLASSIFIED, known.classified + tracked.classified)
        if known is not None and not tracked.sharper:
            now = replace(known, views=tracked.views, classified=classified, last_field=self._fields)
        else:
            place, whole = _on_smear(field, detection), tracked.whole
            if known is not None and not (whole == known.whole and known.sharpness >= SHARP * field.quality.sharpness):
                classified = 1  # earlier views no longer count
            sharpness = field.quality.sharpness
            now = TrackedCell(number, *place, field.region, sharpness, whole, tracked.views, classified, self._fields)
        slot = self._known.put(now, slot)
        self._largest_um = max(self._largest_um, now.radius_um)
        if known is None:
            self._landmarks.add(now.region, now.x_um, now.y_um, now.radius_um)
        return slot


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


def _seen_again(field: Field, detection: Detection, known: TrackedCell) -> TrackedDetection:
    whole, sharpness = _is_whole(field, detection), field.quality.sharpness
    if whole != known.whole:
        sharper = classified = whole
    else:
        first = known.classified < VIEWS_CLASSIFIED and sharpness >= SHARP * known.sharpness
        sharper = sharpness > (known.sharpness if first else _SHARPER * known.sharpness)
        classified = sharper or first
    return TrackedDetection(known.number, detection, False, sharper, known.views + 1, classified, whole)
