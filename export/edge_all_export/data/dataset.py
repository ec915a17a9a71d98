"""Contents of a folder of labeled images, independent of its layout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge_all_export.data.labeled_field import LabeledField


@dataclass(frozen=True)
class CellFile:
    """An image of one cell. label: blast, normal, leukocyte (kind unknown) or another kind of object.

    group: images that a split keeps together; UNKNOWN_GROUP if the dataset does not specify it. on_black: the
    surroundings are cut away. um_per_px: None if it must be measured.
    """

    path: Path
    label: str
    group: str
    source: str
    detail: str = ""
    on_black: bool = False
    um_per_px: float | None = None


UNKNOWN_GROUP = "unknown"
"""Group for datasets without patients or series: all their images stay on one side of any split."""


@dataclass(frozen=True)
class DataSet:
    """A dataset. layout: human-readable name. note: caveat for figures made from it."""

    layout: str
    root: Path
    cells: tuple[CellFile, ...] = ()
    fields: tuple[LabeledField, ...] = ()
    note: str = ""
    missing: tuple[str, ...] = field(default=())
    """Files that the labels name but that do not exist."""

    @property
    def items(self) -> tuple[CellFile | LabeledField, ...]:
        """All images: cells first, then fields."""
        return (*self.cells, *self.fields)

    def regrouped(self, names: dict[str, str]) -> DataSet:
        """Return a copy with groups renamed; names: old -> new, for groups that share an image."""
        return replace(
            self,
            cells=tuple(replace(c, group=names.get(c.group, c.group)) for c in self.cells),
            fields=tuple(replace(f, group=names.get(f.group, f.group)) for f in self.fields),
        )


def images_of(data: Iterable[DataSet]) -> list[tuple[Path, str]]:
    """Return each image file with its group, ``source/group``."""
    return [(item.path, f"{item.source}/{item.group}") for part in data for item in part.items]
