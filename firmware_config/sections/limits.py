"""[limits]: what may wait, and what may be held."""

from pydantic import Field

from firmware_config.section import Section


class Limits(Section):
    queue_frames: int = Field(4, ge=1, le=64)
    """Frames that wait between camera and analysis; a live camera drops the oldest."""
    memory_mib: int = Field(0, ge=0, le=1 << 20)
    """Most memory that the service may hold while it analyses, MiB; more is told, and after a minute a new process goes
    on with the session. 0: no limit. Building TensorRT's engine has its own: build_memory_mib in [engine]."""
