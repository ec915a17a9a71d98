"""What a session tells while it runs and when it has ended."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_all.cameras.camera_state import CameraEvent
from edge_all.errors import EdgeAllError
from edge_all.record.full_disk import ROOM, DiskState
from edge_all.session.analysis import FieldResult
from edge_all.session.not_on_disk import NotOnDisk
from edge_all.vocabulary import Cell, Counts, ModelIdentity, Thresholds


@dataclass(frozen=True)
class Progress:
    """Told after a frame is in the record."""

    session_id: str
    source: str
    counts: Counts
    findings: tuple[Cell, ...]
    """New or changed ones of this frame; all of them are on disk already."""
    unreadable: str | None = None
    """Why the frame could not be read."""
    result: FieldResult | None = None
    """What the frame gave; None for an unreadable one, and while the disk is full: what is not on it is not shown."""
    disk: DiskState = ROOM
    """Whether the record's disk is full."""
    camera: CameraEvent | None = None
    """What befell the camera; there is no frame then."""
    hint: str = ""
    """What the person at the bench should do now; empty when all is well."""


@dataclass(frozen=True)
class CameraAccount:
    """What became of a camera that can be lost."""

    reconnects: int
    lost_s: float
    mean_age_s: float
    worst_age_s: float
    """Of the frames when they were taken for analysis; 0 for files of a watched folder."""


@dataclass(frozen=True)
class Summary:
    """What a session came to."""

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
    """What ended it early, if anything did."""
    camera: CameraAccount | None = None
    """None for files and the simulator."""
    not_on_disk: NotOnDisk | None = None
    """What of the counts the record does not hold, where it could not be written."""
    pictures_left_out: int = 0
    """Not kept, because the disk of the record was full; their cells are."""

    @property
    def error_in_words(self) -> str | None:
        """One line, with what is not on disk; None when nothing ended it early."""
        if self.error is None or self.not_on_disk is None:
            return None if self.error is None else str(self.error)
        return f"{self.error} (not on disk: {self.not_on_disk.in_words()})"
