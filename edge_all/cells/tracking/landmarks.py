"""Landmarks for recognizing a position from the arrangement of its known cells, like stars in a constellation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_all.field.stage import Place

_CAPACITY = 8192
_ALIKE = 1.25
"""Factor below which the radii of one cell in two views differ."""
_BIN_UM = 6.0
_MOST_PLACES = 6
_MOST_VOTING = 16
"""Largest number of cells of a field that vote; they suffice to find a position, and bound the cost of dense fields."""


class Landmarks:
    """Table of the latest cells by region, position and radius, in micrometers. Memory is bounded."""

    def __init__(self) -> None:
        self._region = np.full(_CAPACITY, -1, np.int32)
        self._marks = np.zeros((_CAPACITY, 3), np.float32)
        """Columns x, y and radius, in micrometers."""
        self._count = 0

    def add(self, region: int, x_um: float, y_um: float, radius_um: float) -> None:
        """Add a new cell. If the table is full, it replaces the oldest one."""
        at = self._count % _CAPACITY
        self._region[at], self._marks[at] = region, (x_um, y_um, radius_um)
        self._count += 1

    def join(self, region: int, to: int, x_um: float, y_um: float) -> None:
        """Merge a region into another one, shifted by the given micrometers."""
        own = self._region == region
        self._region[own] = to
        self._marks[own, :2] += np.array((x_um, y_um), np.float32)

    def places(
        self, region: int, cells: Sequence[tuple[float, float, float]], place_um: tuple[float, float]
    ) -> list[Place]:
        """Return candidate positions in other regions for a field, those with the most votes first.

        Each pair of a cell here and a cell of similar size there votes for a position (a Hough transform of shifts
        only, because a stage does not rotate).

        Args:
            region: Region of the field, which is not searched.
            cells: The field's cells: x, y and radius on the smear in micrometers.
            place_um: Position of the field in micrometers.
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
    """Return the means of the fullest bins of four grids, offset by half a bin so that no edge splits a cluster."""
    steps, in_region = votes / _BIN_UM, regions.astype(np.int64) << 40
    fullest: list[tuple[int, npt.NDArray[np.int64], int]] = []
    for half in ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5)):
        bins = np.floor(steps + np.array(half, np.float32)).astype(np.int64)
        keys = in_region + ((bins[:, 0] + 2**19) << 20) + bins[:, 1] + 2**19
        ordered = np.sort(keys)
        starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        counts = np.diff(np.append(starts, len(ordered)))
        for i in np.argsort(-counts, kind="stable")[:_MOST_PLACES].tolist():
            fullest.append((int(counts[i]), keys, int(ordered[starts[i]])))
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
