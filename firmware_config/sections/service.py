"""[service]: how the service behaves."""

from firmware_config.section import Section


class Service(Section):
    autostart: bool = False
    """Begin a session at boot, without a sample id until one is named; else the service waits, with a live picture."""
