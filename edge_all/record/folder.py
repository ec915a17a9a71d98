"""Where the record lies."""

from __future__ import annotations

import os
from pathlib import Path

from edge_all.state_folder import state_folder


def record_folder(option: str | None) -> Path:
    """The folder named by --record, else by EDGE_ALL_RECORD, else "record" in the state folder."""
    named = option or os.environ.get("EDGE_ALL_RECORD")
    return Path(named).expanduser() if named else state_folder() / "record"
