"""Location of the record and of its sidecars."""

from __future__ import annotations

import os
from pathlib import Path

from edge_all.errors import UsageError
from edge_all.files.file_names import in_utf8
from edge_all.files.state_dir import state_folder

SIDECARS = "sidecar"
"""Folder of the second copies of rows, within the record's folder."""


def record_folder(option: str | None) -> Path:
    """Return the folder set with --record, else with EDGE_ALL_RECORD, else "record" in the state folder.

    Raises:
        UsageError: when the name is not valid UTF-8.
    """
    named = option or os.environ.get("EDGE_ALL_RECORD")
    if named is not None and in_utf8(named) != named:
        raise UsageError(f"{in_utf8(named)} is not valid UTF-8", "choose a folder whose name every program can read")
    return Path(named).expanduser() if named else state_folder() / "record"


def session_sidecars(folder: Path) -> dict[str, Path]:
    """Return the sidecar paths by session id."""
    return {path.stem: path for path in sorted((folder / SIDECARS).glob("*.jsonl"))}
