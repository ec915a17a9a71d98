"""Results of the analysis of one frame, passed from stage to stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge_all.cells.tracking.tracker import TrackedDetection
from edge_all.domain.picture_limits import OutsideLimits
from edge_all.domain.types import Cell, Field, Frame, Reclassified
from edge_all.field.gate import Skip
from edge_all.field.stage import StageField


@dataclass(frozen=True, eq=False)
class FieldResult:
    """Result of analyzing one frame. Exactly one of `field` and `skip` is set."""

    frame: Frame
    field: Field | None = None
    skip: Skip | None = None
    cells: tuple[Cell, ...] = ()
    """New cells, and known cells with a better view."""
    pictured: frozenset[int] = frozenset()
    """Numbers of the cells whose crop is saved: the findings, or all cells if requested."""
    reclassified: tuple[Reclassified, ...] = ()
    """Known cells whose classification changed with another view that is not better."""
    views: Mapping[int, int] | None = None
    """View count by number, for known cells that were seen again without a better view."""
    left: tuple[int, ...] = ()
    """Numbers of the cells that left the view."""
    tracked_detections: tuple[TrackedDetection, ...] = ()
    """All tracked detections in the field."""
    stage_field: StageField | None = None
    """Data from which the stage recognizes this field again."""
    outside_limits: tuple[OutsideLimits, ...] = ()
    """Limits of the models that the field is outside of."""


@dataclass(frozen=True, eq=False)
class Located:
    """A field whose cells are detected and tracked, but not yet classified."""

    field: Field
    tracked_detections: tuple[TrackedDetection, ...]
    left: tuple[int, ...]
    stage_field: StageField | None
    outside_limits: tuple[OutsideLimits, ...] = ()
    """Limits of the models that the field is outside of."""
