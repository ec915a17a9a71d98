"""Table [mqtt]: publishing of sessions and findings to a broker (docs/fleet.md)."""

from typing import Literal

from pydantic import Field

from firmware_config.section import Section


class Mqtt(Section):
    """Publishing of sessions and findings to a broker (docs/fleet.md)."""

    host: str = ""
    """Host name or address of the broker. Empty turns MQTT off."""
    port: int = Field(0, ge=0, le=65535)
    """Port of the broker. 0 uses 8883 with TLS and 1883 without."""
    tls: bool = True
    """Use TLS. Turn it off only for a broker on this machine or in a private network."""
    ca_file: str = ""
    """CA certificate (PEM file) that must have signed the broker's certificate. Empty uses the system's CAs."""
    certificate_file: str = ""
    """Client certificate of this device (PEM file), if the broker requires one. Needs `key_file`."""
    key_file: str = ""
    """Private key of the client certificate (PEM file)."""
    username: str = ""
    """User name at the broker."""
    password_file: str = ""
    """File whose first line is the password. EDGE_ALL_MQTT_PASSWORD takes precedence."""
    device: str = ""
    """Name of this device in topics. Empty uses the host name."""
    topic: str = Field("edge-all", min_length=1)
    """Prefix of every topic."""
    confirm: Literal["broker", "collector"] = "broker"
    """Confirmation needed to remove a message from the outbox: from the broker, or from `edge-all collect`."""
    sample_ids: bool = False
    """Include sample IDs in messages."""
    pictures: bool = False
    """Send findings with their pictures."""
    discovery: bool = False
    """Let Home Assistant discover the device automatically."""
    commands: bool = False
    """Accept MQTT commands that start and stop sessions. Needs credentials, and TLS unless the broker runs here."""
