"""Location of the real images."""

from __future__ import annotations

import os
from pathlib import Path


def data_root() -> Path | None:
    """Return EDGE_ALL_DATA, else ../shared/data next to the checkout; None if the folder does not exist."""
    named = os.environ.get("EDGE_ALL_DATA")
    root = Path(named) if named else Path(__file__).resolve().parents[3].parent / "shared" / "data"
    return root if root.is_dir() else None
