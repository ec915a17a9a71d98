"""Pictures of one cell each, whose label is a row of cells.csv."""

from __future__ import annotations

from pathlib import Path

from edge_all_export.data.labeled_field import LabeledField, LabeledObject

_RADIUS_UM = 6.5
"""Radius of a typical leukocyte, where the source gives no outline."""


def centered_cell(
    source: str, group: str, path: Path, um_per_px: float, side_px: tuple[int, int], kind: str, detail: str
) -> LabeledField:
    """Return the field of a picture with one labeled cell in the middle. side_px: width and height of the picture."""
    width, height = side_px
    cell = LabeledObject((width - 1) / 2, (height - 1) / 2, _RADIUS_UM / um_per_px, kind, detail)
    return LabeledField(source, group, path, um_per_px, (cell,))
