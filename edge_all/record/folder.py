"""Where the record lies."""

from __future__ import annotations

import os
from pathlib import Path

from edge_all.errors import UsageError
from edge_all.file_name import in_utf8
from edge_all.state_folder import state_folder


def record_folder(option: str | None) -> Path:
    """The folder named by --record, else by EDGE_ALL_RECORD, else "record" in the state folder. Raises UsageError."""
    named = option or os.environ.get("EDGE_ALL_RECORD")
    if named is not None and in_utf8(named) != named:
        raise UsageError(f"{in_utf8(named)} is no UTF-8", "name a folder whose name every program can read")
    return Path(named).expanduser() if named else state_folder() / "record"
