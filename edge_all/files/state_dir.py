"""Location of what changes on a device: record, engine cache and calibration. It is never in the package."""

from __future__ import annotations

import os
from pathlib import Path


def state_folder() -> Path:
    """Return EDGE_ALL_STATE if set, else "edge-all" in the user's state folder (XDG_STATE_HOME, ~/.local/state)."""
    named = os.environ.get("EDGE_ALL_STATE")
    if named:
        return Path(named).expanduser()
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "edge-all"
