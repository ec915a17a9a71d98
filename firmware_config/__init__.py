"""Profiles of devices, cameras and objectives, as TOML files."""

from pathlib import Path

PROFILES = Path(__file__).parent / "profiles"
