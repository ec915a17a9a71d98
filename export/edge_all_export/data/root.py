"""Where the real images lie."""

from __future__ import annotations

import os
from pathlib import Path


def data_root() -> Path | None:
    """EDGE_ALL_DATA, else ../shared/data beside the checkout; None where neither exists."""
    named = os.environ.get("EDGE_ALL_DATA")
    root = Path(named) if named else Path(__file__).resolve().parents[3].parent / "shared" / "data"
    return root if root.is_dir() else None
