"""Where the record lies."""

from __future__ import annotations

import os
from pathlib import Path


def record_folder(option: str | None) -> Path:
    """The folder named by --record, else by EDGE_ALL_RECORD, else edge-all/record in the user's state folder."""
    named = option or os.environ.get("EDGE_ALL_RECORD")
    if named:
        return Path(named).expanduser()
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "edge-all" / "record"
