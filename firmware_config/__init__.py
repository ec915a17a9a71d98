"""Device settings: the schema, the shipped profiles, and the layers that a value can come from."""

from pathlib import Path

PROFILES = Path(__file__).parent / "profiles"
DEVICE_FOLDER = Path("/etc/edge-all")
"""Folder of the device's own files. Each *.toml file in it overrides individual keys."""
