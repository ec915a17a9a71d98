"""MQTT settings of a profile (firmware_config's table [mqtt]): the broker, the published data and remote commands."""

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
    """The profile's table [mqtt]. An empty host disables MQTT."""

    host: str = ""
    port: int = 0
    """Port of the broker; 0 for 8883 with TLS and 1883 without."""
    tls: bool = True
    ca_file: str = ""
    """CA certificate (PEM) that must have signed the broker's; empty for the system's authorities."""
    certificate_file: str = ""
    key_file: str = ""
    """Key of this device's client certificate, if the broker requires one."""
    username: str = ""
    password_file: str = ""
    """File whose first line is the password; EDGE_ALL_MQTT_PASSWORD takes precedence."""
    device: str = ""
    """This device's name in topics; empty for the machine's name."""
    topic: str = "edge-all"
    """Prefix of every topic."""
    confirm: str = "broker"
    """Confirmation that removes a message from the outbox: by the broker or by the collector."""
    sample_ids: bool = False
    """Send sample ids."""
    pictures: bool = False
    """Send findings with their picture."""
    discovery: bool = False
    """Publish discovery messages for Home Assistant."""
    commands: bool = False
    """Accept commands by MQTT to start and stop sessions."""

    @property
    def wanted(self) -> bool:
        """True when a broker is configured."""
        return bool(self.host)

    @property
    def loopback(self) -> bool:
        """True when the broker runs on this machine."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def broker_port(self) -> int:
        """Port of the broker as configured, or the standard port."""
        return self.port or (8883 if self.tls else 1883)

    @property
    def device_id(self) -> str:
        """Device name as configured, or the machine's name in characters allowed in a topic."""
        return self.device or re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:64] or "device"

    @property
    def root(self) -> str:
        """Prefix of this device's topics."""
        return f"{self.topic}/{self.device_id}"

    def password(self) -> str | None:
        """Return the password from the environment or from its file, or None without either.

        Raises:
            ProfileError: when the file cannot be read.
        """
        if PASSWORD_VARIABLE in os.environ:
            return os.environ[PASSWORD_VARIABLE]
        if not self.password_file:
            return None
        try:
            lines = Path(self.password_file).expanduser().read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise ProfileError(
                f"mqtt.password_file {self.password_file} cannot be read ({reason})",
                "check the path and its permissions",
            ) from error
        return lines[0] if lines else ""

    def check(self) -> None:
        """Validate the settings.

        Raises:
            ProfileError: when a setting is invalid or unsafe.
        """
        if self.confirm not in CONFIRMS:
            raise ProfileError(f"mqtt.confirm = {self.confirm!r} is not valid", f"use one of {', '.join(CONFIRMS)}")
        if not 0 <= self.port <= 65535:
            raise ProfileError(
                f"mqtt.port = {self.port} is not valid", "use a port from 1 to 65535, or 0 for the standard port"
            )
        for name, part in (("device", self.device_id), *(("topic", p) for p in self.topic.split("/"))):
            if not _TOPIC_PART.fullmatch(part):
                raise ProfileError(
                    f"mqtt.{name} contains {part!r}", "use letters, digits, '.', '_' and '-', 64 at most"
                )
        if bool(self.certificate_file) != bool(self.key_file):
            raise ProfileError("an MQTT certificate needs its key", "set both mqtt.certificate_file and mqtt.key_file")
        known = (self.username and self.password() is not None) or self.certificate_file
        if self.commands and not (known and (self.tls or self.loopback)):
            raise ProfileError(
                "mqtt.commands needs an authenticated and encrypted connection to the broker",
                "set mqtt.username with mqtt.password_file (or a certificate), and mqtt.tls; or turn commands off",
            )
