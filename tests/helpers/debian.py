"""Debian's packages that a system test needs: installed where that may be done, else the test is skipped."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest


def needs_packages(packages: Sequence[str], *files: str) -> None:
    """Skips where these files are not there and cannot be had."""
    if all(Path(f).exists() for f in files):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-qq"], check=False, capture_output=True, timeout=300)
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages],
            check=False,
            capture_output=True,
            timeout=900,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )
    missing = [f for f in files if not Path(f).exists()]
    if missing:
        pytest.skip(f"{missing[0]} is not there: apt install {' '.join(packages)}")
