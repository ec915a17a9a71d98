"""[mqtt]: a broker that is told of sessions and findings (docs/fleet.md)."""

from typing import Literal

from pydantic import Field

from firmware_config.section import Section


class Mqtt(Section):
    host: str = ""
    """The broker's name or address. Empty: no MQTT."""
    port: int = Field(0, ge=0, le=65535)
    """0: 8883 with TLS, 1883 without."""
    tls: bool = True
    """Off only for a broker on this machine, or in a network that nobody else is in."""
    ca_file: str = ""
    """Whose signature the broker's certificate must bear, PEM file. Empty: the system's authorities."""
    certificate_file: str = ""
    """This device's own certificate, PEM file, with `key_file`, where the broker asks for one."""
    key_file: str = ""
    """Its private key, PEM file."""
    username: str = ""
    """At the broker."""
    password_file: str = ""
    """Its first line is the password; EDGE_ALL_MQTT_PASSWORD goes before it."""
    device: str = ""
    """This device's name in topics. Empty: the machine's name."""
    topic: str = Field("edge-all", min_length=1)
    """What every topic begins with."""
    confirm: Literal["broker", "collector"] = "broker"
    """When a message may leave the device's outbox: when the broker has it, or when `edge-all collect` has it."""
    sample_ids: bool = False
    """Sample ids leave the device."""
    pictures: bool = False
    """Findings are sent with their picture."""
    discovery: bool = False
    """Home Assistant finds the device by itself."""
    commands: bool = False
    """Sessions are started and stopped by MQTT too; needs credentials, and TLS unless the broker runs here."""
