"""Names of image and video files: suffixes and natural order."""

from __future__ import annotations

import re
from pathlib import Path

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")


VIDEO_SUFFIXES = (".mp4", ".avi", ".mkv", ".mov", ".m4v", ".mpg", ".mpeg", ".webm", ".mjpeg")


def natural_order(path: Path) -> tuple[list[object], str]:
    """Return a sort key that puts field2 before field10."""
    parts = re.split(r"(\d+)", path.name.casefold())
    return [int(p) if i % 2 else p for i, p in enumerate(parts)], path.name
