"""Where a device keeps what it learns: record, engine cache, calibration. Never in the package."""

from __future__ import annotations

import os
from pathlib import Path


def state_folder() -> Path:
    """EDGE_ALL_STATE, else edge-all in the user's state folder (XDG_STATE_HOME, ~/.local/state)."""
    named = os.environ.get("EDGE_ALL_STATE")
    if named:
        return Path(named).expanduser()
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "edge-all"
