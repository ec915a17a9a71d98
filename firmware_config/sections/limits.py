"""Table [limits]: limits of the queue and of memory."""

from pydantic import Field

from firmware_config.section import Section


class Limits(Section):
    """Limits of the queue and of memory."""

    queue_frames: int = Field(4, ge=1, le=64)
    """Maximum number of frames queued between camera and analysis. A live camera drops the oldest."""
    memory_mib: int = Field(0, ge=0, le=1 << 20)
    """Maximum memory of the service during analysis, in MiB. Exceeding it is reported, and after a minute a new process
    resumes the session. 0: no limit. Building the TensorRT engine has its own limit: build_memory_mib in [engine]."""
