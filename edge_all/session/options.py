"""Options of a session, the same for every command that runs one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from edge_all.calibration.store import CalibrationStore
from edge_all.profile import Profile
from edge_all.session.commands import Start
from edge_all.session.operator import Operator


@dataclass(frozen=True, kw_only=True)
class SessionOptions:
    """Options of a session: models, limits, and what to record. The defaults suit a program that embeds it."""

    profile: Profile = field(default_factory=Profile)
    """Device settings."""
    models: Path | None = None
    """Folder of the model set; None for the set in use."""
    wait_for_engine: bool = False
    """Build the TensorRT engine before the first frame, not in the background."""
    blast_threshold: float | None = None
    """Blast probability threshold; None for the model's own."""
    um_per_px: float | None = None
    """Image scale in micrometers per pixel. It takes precedence over the calibration and the profile."""
    calibrations: CalibrationStore | None = None
    """Store of the bench's calibration; None to use no calibration."""
    sample: str | None = None
    """Sample id. If None, a resumed session keeps its own."""
    operator: Operator | None = None
    """The person who starts the session, recorded with it."""
    resume: bool = False
    """Resume this camera's interrupted session, if there is one."""
    max_frames: int | None = None
    """Number of frames to read; None for all."""
    stop_at: int | None = None
    """Stop after the field in which this many leukocytes are counted; None for no limit."""
    keep_all_crops: bool = False
    """Save crops of all cells for a reviewer, not only of findings."""
    skip_integrity_check: bool = False
    """Skip the full integrity check of the record because it ran recently."""

    @property
    def scale(self) -> float | None:
        """The given or the profile's scale in micrometers per pixel; None to measure it."""
        return self.um_per_px if self.um_per_px is not None else self.profile.um_per_px

    def for_start(self, start: Start) -> SessionOptions:
        """Return the options of the session that a start command requests."""
        return replace(self, sample=start.sample, operator=start.operator, resume=start.resume)
