"""What is written to and read from the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edge_all.vocabulary import Counts, ModelIdentity, Thresholds


@dataclass(frozen=True)
class SessionInfo:
    """What is known of a session when it begins."""

    sample: str | None
    camera: str
    profile: str
    models: tuple[ModelIdentity, ...]
    engine: str
    thresholds: Thresholds
    um_per_px: float | None
    """The profile's scale; None when each field's is measured."""
    version: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What it ran with beside these, ready for JSON: a key for each part of the program."""


@dataclass(frozen=True)
class FrameEntry:
    """One frame of a session. status: analysed, skipped, unreadable."""

    index: int
    source: str
    time: float
    width_px: int | None
    height_px: int | None
    status: str
    reason: str = ""
    """Why it was skipped; for an analysed one, the gate's warnings."""
    um_per_px: float | None = None
    scale_source: str | None = None
    sharpness: float | None = None
    region: int | None = None
    place_um: tuple[float, float] | None = None


@dataclass(frozen=True)
class SessionRow:
    """A session as it stands in the record."""

    id: str
    begun: float
    ended: float | None
    sample: str | None
    camera: str
    profile: str
    engine: str
    um_per_px: float | None
    version: str
    models: tuple[ModelIdentity, ...]
    thresholds: Thresholds
    interrupted: bool
    result: str | None
    counts: Counts
    """Final ones for an ended session; counted from its rows for one that is running or was cut off."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What it ran with beside these, by part of the program: calibration, camera ..."""


CellRow = Mapping[str, Any]
"""One counted cell, by column; the columns are those of CELL_COLUMNS."""

CELL_COLUMNS = (
    "session",
    "cell",
    "frame",
    "frame_index",
    "x_px",
    "y_px",
    "width_px",
    "height_px",
    "size_um",
    "um_per_px",
    "label",
    "blast_probability",
    "unfamiliarity",
    "threshold_blast",
    "threshold_normal",
    "threshold_unfamiliar",
    "model_name",
    "model_version",
    "model_sha256",
    "engine",
    "detector_score",
    "views",
    "final",
    "crop",
)
