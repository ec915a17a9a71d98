"""Memory use of this process as reported by the Linux kernel."""

from __future__ import annotations

import os
from pathlib import Path


def resident_mib() -> float:
    """Return the present resident memory in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


def peak_mib() -> float:
    """Return the peak resident memory in MiB. getrusage's ru_maxrss is unsuitable, as a child inherits its parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")
