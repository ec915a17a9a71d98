"""Types of the rows that are written to and read from the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edge_all.domain.types import Counts, ModelIdentity, Thresholds


@dataclass(frozen=True)
class SessionInfo:
    """Values known when a session starts."""

    sample: str | None
    camera: str
    profile: str
    models: tuple[ModelIdentity, ...]
    engine: str
    thresholds: Thresholds
    um_per_px: float | None
    """Micrometers per pixel of the profile; None if measured in each field."""
    version: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Additional settings of the session, serializable as JSON, with a key for each part of the program."""


@dataclass(frozen=True)
class FrameEntry:
    """One frame of a session. status: "analysed", "skipped" or "unreadable"."""

    index: int
    source: str
    time: float
    width_px: int | None
    height_px: int | None
    status: str
    reason: str = ""
    """Reason for skipping the frame; for an analyzed frame, the warnings of the gate."""
    um_per_px: float | None = None
    scale_source: str | None = None
    sharpness: float | None = None
    region: int | None = None
    place_um: tuple[float, float] | None = None


@dataclass(frozen=True)
class SessionRow:
    """Session as stored in the record."""

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
    """Final counts of an ended session; counted from the rows for a running or interrupted session."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Additional settings of the session, by part of the program: calibration, camera ..."""


CellRow = Mapping[str, Any]
"""One counted cell, with a value for each of CELL_COLUMNS."""

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
    "kind",
    "blast_probability",
    "unfamiliarity",
    "threshold_blast",
    "threshold_normal",
    "threshold_unfamiliar",
    "threshold_kind",
    "model_name",
    "model_version",
    "model_sha256",
    "engine",
    "calibration",
    "reason",
    "detector_score",
    "views",
    "final",
    "crop",
)
