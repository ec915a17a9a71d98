"""Table [service]: behavior of the service."""

from firmware_config.section import Section


class Service(Section):
    """Behavior of the service."""

    autostart: bool = False
    """Start a session at boot, without a sample ID until one is given. If false, wait and show the live picture."""
