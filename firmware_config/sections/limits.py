"""[limits]: what may wait."""

from pydantic import Field

from firmware_config.section import Section


class Limits(Section):
    queue_frames: int = Field(4, ge=1, le=64)
    """Frames that wait between camera and analysis; a live camera drops the oldest."""
