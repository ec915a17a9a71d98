"""Spatial index of items on a plane, so that a search does not have to visit all of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from math import floor
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class SpatialGrid(Generic[T]):
    """Grid of square tiles. The time of a nearby search does not depend on the number of items elsewhere."""

    def __init__(self, tile: float) -> None:
        """Create an empty grid.

        Args:
            tile: Side of a tile, in the unit of the coordinates. About the usual search radius works best.
        """
        self._tile = tile
        self._tiles: dict[tuple[int, int], dict[T, tuple[float, float]]] = {}
        self._tile_of: dict[T, tuple[int, int]] = {}

    def put(self, thing: T, x: float, y: float) -> None:
        """Add an item, or move it to a new position."""
        key = (floor(x / self._tile), floor(y / self._tile))
        if self._tile_of.get(thing, key) != key:
            self.drop(thing)
        self._tile_of[thing] = key
        self._tiles.setdefault(key, {})[thing] = (x, y)

    def drop(self, thing: T) -> None:
        """Remove an item. Raises KeyError if it is not in the grid."""
        key = self._tile_of.pop(thing)
        tile = self._tiles[key]
        del tile[thing]
        if not tile:
            del self._tiles[key]

    def near(self, x: float, y: float, reach: float) -> Iterator[tuple[T, float]]:
        """Yield the items within ``reach`` of a position with their squared distances, in no particular order."""
        tile, square = self._tile, reach * reach
        columns = range(floor((x - reach) / tile), floor((x + reach) / tile) + 1)
        for row in range(floor((y - reach) / tile), floor((y + reach) / tile) + 1):
            for column in columns:
                for thing, (other_x, other_y) in self._tiles.get((column, row), {}).items():
                    distance = (other_x - x) ** 2 + (other_y - y) ** 2
                    if distance <= square:
                        yield thing, distance

    def __len__(self) -> int:
        return len(self._tile_of)
