"""Search for a file at a place where a folder is expected."""

from __future__ import annotations

import os
from pathlib import Path


def blocking_file(folder: Path) -> Path | None:
    """Return the folder, or its ancestor, that exists but is not a folder, or None if there is none."""
    # os.path does not raise for a path without permission, unlike Path.
    return next((p for p in (folder, *folder.parents) if os.path.exists(p) and not os.path.isdir(p)), None)
