"""Fixed-size table of the counted cells and their positions on the smear, stored in columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

Slots = npt.NDArray[np.intp]

_AT_ONCE = 64
"""Divisor for the share of cells that a full table drops at once, so that no single field pays for finding the
oldest."""


@dataclass(frozen=True)
class TrackedCell:
    """A cell in its best view, with position and radius on the smear in micrometers."""

    number: int
    x_um: float
    y_um: float
    radius_um: float
    region: int
    sharpness: float
    whole: bool
    """True if the frame's edge did not cut the cell."""
    views: int
    classified: int
    """Number of sharp, classified views that count."""
    last_field: int
    """Number of the field in which it was last seen, counted from 1."""


_KINDS = {"int": np.int64, "float": np.float64, "bool": np.bool_}


class CellTable:
    """Table of at most `most` cells, which drops those not seen for the longest time when it is full.

    All memory is allocated at the start, so that a session of a whole day needs no more than its first minute.
    """

    def __init__(self, most: int) -> None:
        """Allocate the table for `most` cells."""
        self._most = most
        # Fill the arrays, because the system assigns a memory page only when it is first written to.
        self._columns: dict[str, npt.NDArray[Any]] = {
            f.name: np.full(most, 0, _KINDS[str(f.type)]) for f in fields(TrackedCell)
        }
        self._used = 0
        """Number of slots ever used; slots of dropped cells have the number 0."""
        self._free: list[int] = []

    def __len__(self) -> int:
        return self._used - len(self._free)

    def __iter__(self) -> Iterator[TrackedCell]:
        return (self[int(slot)] for slot in np.flatnonzero(self._columns["number"][: self._used]))

    def __getitem__(self, slot: int) -> TrackedCell:
        return TrackedCell(*(column.item(slot) for column in self._columns.values()))

    def put(self, cell: TrackedCell, slot: int | None = None) -> int:
        """Write a cell into its slot, or a new cell into a free slot. Returns the slot."""
        if slot is None:
            slot = self._free_slot()
        for name, column in self._columns.items():
            column[slot] = getattr(cell, name)
        return slot

    def make_room(self, count: int) -> None:
        """Free enough slots for `count` new cells, so that none is dropped while they are put."""
        while self._most - self._used + len(self._free) < min(count, self._most):
            self._forget()

    def within(self, region: int, left: float, top: float, right: float, bottom: float) -> Slots:
        """Return the slots of the cells whose center is in a rectangle, given in micrometers."""
        c, used = self._columns, self._used
        x, y = c["x_um"][:used], c["y_um"][:used]
        inside = (x >= left) & (x <= right) & (y >= top) & (y <= bottom) & (c["region"][:used] == region)
        inside &= c["number"][:used] > 0
        return np.flatnonzero(inside)

    def circles(self, slots: Slots) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return positions, float64 N x 2, and radii, float64 N, in micrometers."""
        c = self._columns
        return np.stack([c["x_um"][slots], c["y_um"][slots]], 1), c["radius_um"][slots]

    def join(self, region: int, to: int, x_um: float, y_um: float) -> None:
        """Move the cells of a region into another region, shifted by the given micrometers."""
        c, used = self._columns, self._used
        own = c["region"][:used] == region
        c["x_um"][:used][own] += x_um
        c["y_um"][:used][own] += y_um
        c["region"][:used][own] = to

    def _free_slot(self) -> int:
        if self._used < self._most:
            self._used += 1
            return self._used - 1
        self.make_room(1)
        return self._free.pop()

    def _forget(self) -> None:
        c, count = self._columns, max(1, self._most // _AT_ONCE)
        known = np.flatnonzero(c["number"])
        age = c["last_field"][known] * 2**32 + c["number"][known]
        oldest = known[np.argpartition(age, min(count, len(known)) - 1)[:count]]
        c["number"][oldest] = 0
        self._free += oldest.tolist()
