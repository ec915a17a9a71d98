"""Known cells as marks by which a place is found again: leukocytes lie like the stars of a constellation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_all.field.stage import Place

_CAPACITY = 8192
_ALIKE = 1.25
"""Radii of one cell in two views differ by less than this factor."""
_BIN_UM = 6.0
_MOST_PLACES = 6
_MOST_VOTING = 16
"""Cells of a field: as many tell a place as well as all of them, and a dense field costs no more than others."""


class Landmarks:
    """The latest cells by region, place and radius, um; memory is bounded."""

    def __init__(self) -> None:
        self._region = np.full(_CAPACITY, -1, np.int32)
        self._marks = np.zeros((_CAPACITY, 3), np.float32)
        """x, y, radius."""
        self._count = 0

    def add(self, region: int, x_um: float, y_um: float, radius_um: float) -> None:
        """A cell that was not known; the oldest makes room."""
        at = self._count % _CAPACITY
        self._region[at], self._marks[at] = region, (x_um, y_um, radius_um)
        self._count += 1

    def join(self, region: int, to: int, x_um: float, y_um: float) -> None:
        """A region is a part of another, so far away."""
        own = self._region == region
        self._region[own] = to
        self._marks[own, :2] += np.array((x_um, y_um), np.float32)

    def places(
        self, region: int, cells: Sequence[tuple[float, float, float]], place_um: tuple[float, float]
    ) -> list[Place]:
        """Places in other regions for a field at place_um that holds these cells (x, y, radius on the smear, um).

        Each pair of a cell here and one of its size there votes for a place (a Hough transform of shifts alone, as a
        stage does not turn); first come those that most pairs agree on.
        """
        used = min(self._count, _CAPACITY)
        known = np.flatnonzero(self._region[:used] != region)
        if not len(known) or not cells:
            return []
        here = np.array(cells[:: -(-len(cells) // _MOST_VOTING)], np.float32)
        marks, regions = self._marks[known], self._region[known]
        ratio = marks[None, :, 2] / here[:, None, 2]
        cell, mark = np.nonzero((ratio < _ALIKE) & (ratio > 1 / _ALIKE))
        if not len(cell):
            return []
        votes = marks[mark, :2] - here[cell, :2]
        return _most_voted(regions[mark], votes, place_um)


def _most_voted(
    regions: npt.NDArray[np.int32], votes: npt.NDArray[np.float32], place_um: tuple[float, float]
) -> list[Place]:
    """Means of the fullest bins, of four grids half a bin apart, so that no edge parts what belongs together."""
    steps, in_region = votes / _BIN_UM, regions.astype(np.int64) << 40
    fullest: list[tuple[int, npt.NDArray[np.int64], int]] = []
    for half in ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5)):
        bins = np.floor(steps + np.array(half, np.float32)).astype(np.int64)
        keys = in_region + ((bins[:, 0] + 2**19) << 20) + bins[:, 1] + 2**19
        ordered = np.sort(keys)
        begins = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        counts = np.diff(np.append(begins, len(ordered)))
        for i in np.argsort(-counts, kind="stable")[:_MOST_PLACES].tolist():
            fullest.append((int(counts[i]), keys, int(ordered[begins[i]])))
    fullest.sort(key=lambda f: -f[0])
    places: list[Place] = []
    for _, keys, key in fullest:
        own = np.flatnonzero(keys == key)
        x, y = votes[own].mean(0).tolist()
        place = Place(place_um[0] + x, place_um[1] + y, int(regions[own[0]]))
        if not any(
            p.region == place.region and abs(p.x_um - place.x_um) + abs(p.y_um - place.y_um) < _BIN_UM for p in places
        ):
            places.append(place)
            if len(places) == _MOST_PLACES:
                break
    return places
