"""Silence of libraries that would print their own lines among ours."""

from __future__ import annotations

import os


def quiet_opencv() -> None:
    """Keep OpenCV and FFmpeg from printing lines about damaged files. Call it before they are imported."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
