"""A session's progress reports and its final summary."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_all.cameras.events import CameraEvent
from edge_all.cameras.supervised import SupervisedCamera
from edge_all.domain.types import Cell, Counts, ModelIdentity, Thresholds
from edge_all.errors import EdgeAllError
from edge_all.record.write.disk_full import ROOM, DiskState
from edge_all.session.field_result import FieldResult
from edge_all.session.metrics.frame_age import FrameAges
from edge_all.session.unsaved import UnsavedCounts


@dataclass(frozen=True)
class Progress:
    """Progress report, sent after a frame is in the record."""

    session_id: str
    source: str
    counts: Counts
    findings: tuple[Cell, ...]
    """New or changed findings of this frame, all of them already on disk."""
    unreadable: str | None = None
    """Reason why the frame could not be read; None for a readable frame."""
    result: FieldResult | None = None
    """The frame's result. None for an unreadable frame, and while the disk is full, because only what is on disk is
    shown."""
    disk: DiskState = ROOM
    """State of the record's disk."""
    camera: CameraEvent | None = None
    """The camera event that is reported, in which case there is no frame."""
    hint: str = ""
    """Hint for the person at the bench; empty if all is well."""


@dataclass(frozen=True)
class CameraAccount:
    """Connection and latency figures of a camera that can be lost."""

    reconnects: int
    lost_s: float
    mean_age_s: float
    worst_age_s: float
    """Age of the frames when their analysis starts; 0 for files of a watched folder."""

    @classmethod
    def of(cls, camera: SupervisedCamera | None, ages: FrameAges) -> CameraAccount | None:
        """Return the figures of a camera; None for files and the simulator, which are not supervised."""
        return None if camera is None else cls(camera.reconnects, camera.lost_s, ages.mean_s, ages.worst_s)


@dataclass(frozen=True)
class Summary:
    """Result of a session."""

    session_id: str
    record_folder: Path
    counts: Counts
    result: str
    most_suspicious: tuple[Cell, ...]
    models: tuple[ModelIdentity, ...]
    engine: str
    thresholds: Thresholds
    interrupted: bool
    error: EdgeAllError | None
    """The error that ended the session early, if any."""
    camera: CameraAccount | None = None
    """None for files and the simulator."""
    unsaved_counts: UnsavedCounts | None = None
    """Counts missing from the record because it could not be written."""
    pictures_left_out: int = 0
    """Number of images not saved because the record's disk was full; their cells are saved."""

    @property
    def nothing_readable(self) -> bool:
        """True if there were frames and none of them could be read."""
        return 0 < self.counts.frames == self.counts.skipped.get("unreadable", 0)

    @property
    def error_in_words(self) -> str | None:
        """The error in one line, with the counts not on disk, or None if nothing ended the session early."""
        if self.error is None or self.unsaved_counts is None:
            return None if self.error is None else str(self.error)
        return f"{self.error} (not on disk: {self.unsaved_counts.in_words()})"
