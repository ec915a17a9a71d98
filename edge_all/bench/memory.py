"""Memory of this process, as the kernel counts it (Linux)."""

from __future__ import annotations

import os
from pathlib import Path


def resident_mib() -> float:
    """Now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


def peak_mib() -> float:
    """The most so far. Not getrusage's ru_maxrss: a child process inherits its parent's there."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")
