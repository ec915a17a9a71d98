"""What a profile says of MQTT (firmware_config's table [mqtt]): the broker, what goes there, whether commands come from
there."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path

from edge_all.errors import ProfileError

CONFIRMS = ("broker", "collector")
PASSWORD_VARIABLE = "EDGE_ALL_MQTT_PASSWORD"
_TOPIC_PART = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True)
class MqttSettings:
    """The profile's table [mqtt]. An empty host: no MQTT."""

    host: str = ""
    port: int = 0
    """0: 8883 with TLS, 1883 without."""
    tls: bool = True
    ca_file: str = ""
    """Whose signature the broker's certificate must bear, PEM; empty: the system's authorities."""
    certificate_file: str = ""
    key_file: str = ""
    """This device's own certificate, where the broker asks for one."""
    username: str = ""
    password_file: str = ""
    """Its first line; EDGE_ALL_MQTT_PASSWORD goes before it."""
    device: str = ""
    """This device's name in topics; empty: the machine's name."""
    topic: str = "edge-all"
    """What every topic begins with."""
    confirm: str = "broker"
    """When a message may leave the outbox: when the broker, or when the collector has it."""
    sample_ids: bool = False
    """Sample ids leave the device."""
    pictures: bool = False
    """Findings are sent with their picture."""
    discovery: bool = False
    """Home Assistant finds the device by itself."""
    commands: bool = False
    """Sessions are started and stopped by MQTT too."""

    @property
    def wanted(self) -> bool:
        """Whether there is a broker."""
        return bool(self.host)

    @property
    def loopback(self) -> bool:
        """The broker runs on this machine."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def broker_port(self) -> int:
        """As given, else the usual one."""
        return self.port or (8883 if self.tls else 1883)

    @property
    def device_id(self) -> str:
        """As given, else the machine's name, in characters a topic may hold."""
        return self.device or re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:64] or "device"

    @property
    def root(self) -> str:
        """What this device's topics begin with."""
        return f"{self.topic}/{self.device_id}"

    def password(self) -> str | None:
        """From the environment, else from its file. Raises ProfileError."""
        if PASSWORD_VARIABLE in os.environ:
            return os.environ[PASSWORD_VARIABLE]
        if not self.password_file:
            return None
        try:
            lines = Path(self.password_file).expanduser().read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise ProfileError(
                f"mqtt.password_file {self.password_file} cannot be read ({reason})", "check the path and its rights"
            ) from error
        return lines[0] if lines else ""

    def check(self) -> None:
        """Raises ProfileError for what cannot be, or would not be safe."""
        if self.confirm not in CONFIRMS:
            raise ProfileError(f"mqtt.confirm = {self.confirm!r} cannot be", f"one of {', '.join(CONFIRMS)}")
        if not 0 <= self.port <= 65535:
            raise ProfileError(f"mqtt.port = {self.port} cannot be", "a whole number from 1 to 65535, 0 for the usual")
        for name, part in (("device", self.device_id), *(("topic", p) for p in self.topic.split("/"))):
            if not _TOPIC_PART.fullmatch(part):
                raise ProfileError(f"mqtt.{name} holds {part!r}", "letters, digits, '.', '_' and '-', 64 at most")
        if bool(self.certificate_file) != bool(self.key_file):
            raise ProfileError(
                "a certificate and its key belong together", "name mqtt.certificate_file and mqtt.key_file"
            )
        known = (self.username and self.password() is not None) or self.certificate_file
        if self.commands and not (known and (self.tls or self.loopback)):
            raise ProfileError(
                "mqtt.commands needs a broker that knows who speaks, and that nobody can listen in on",
                "set mqtt.username with mqtt.password_file (or a certificate), and mqtt.tls; or leave commands off",
            )
