"""What a folder of labelled images holds, whatever its layout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge_all_export.data.labelled_field import LabelledField


@dataclass(frozen=True)
class CellFile:
    """One image of one cell. label: blast, normal, leukocyte (which is not known) or another kind of object.

    group: what a split keeps together; UNKNOWN_GROUP where the set does not tell. on_black: the surroundings are cut
    away. um_per_px: None where it must be measured.
    """

    path: Path
    label: str
    group: str
    source: str
    detail: str = ""
    on_black: bool = False
    um_per_px: float | None = None


UNKNOWN_GROUP = "unknown"
"""The set names neither patients nor series: all its images stay on one side of any split."""


@dataclass(frozen=True)
class DataSet:
    """layout: its name in words. note: what a user must know before believing a number made from it."""

    layout: str
    root: Path
    cells: tuple[CellFile, ...] = ()
    fields: tuple[LabelledField, ...] = ()
    note: str = ""
    missing: tuple[str, ...] = field(default=())
    """Files that the labels name and that are not there."""

    def regrouped(self, names: dict[str, str]) -> DataSet:
        """With groups renamed: those that turned out to share an image."""
        return replace(
            self,
            cells=tuple(replace(c, group=names.get(c.group, c.group)) for c in self.cells),
            fields=tuple(replace(f, group=names.get(f.group, f.group)) for f in self.fields),
        )


def images_of(data: Iterable[DataSet]) -> list[tuple[Path, str]]:
    """Every image file with its group, ``source/group``."""
    return [(item.path, f"{item.source}/{item.group}") for part in data for item in (*part.cells, *part.fields)]
