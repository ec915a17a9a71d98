"""Settings of devices: what may be set (schema), what is shipped (profiles), where a value comes from (layers)."""

from pathlib import Path

PROFILES = Path(__file__).parent / "profiles"
DEVICE_FOLDER = Path("/etc/edge-all")
"""The device's own files: each *.toml in it overrides single keys."""
