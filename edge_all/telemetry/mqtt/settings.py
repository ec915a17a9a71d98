"""MQTT settings of a profile: firmware_config's table [mqtt], and what follows from its values."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from pathlib import Path
from typing import Any

from pydantic import ModelWrapValidatorHandler, ValidationError, model_validator

from edge_all.errors import ProfileError
from firmware_config.expected import expected
from firmware_config.sections.mqtt import Mqtt

PASSWORD_VARIABLE = "EDGE_ALL_MQTT_PASSWORD"
_TOPIC_PART = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class MqttSettings(Mqtt):
    """The profile's table [mqtt], with what follows from its values. An empty host disables MQTT.

    Raises ProfileError for an invalid value; check() finds values that do not fit together.
    """

    @classmethod
    def of(cls, section: Mqtt) -> MqttSettings:
        """Return the settings of a profile's table [mqtt]."""
        return cls(**section.model_dump())

    @model_validator(mode="wrap")
    @classmethod
    def _in_words(cls, values: Any, validate: ModelWrapValidatorHandler[MqttSettings]) -> MqttSettings:
        try:
            return validate(values)
        except ValidationError as error:
            wrong = error.errors()[0]
            key = str(wrong["loc"][0])
            raise ProfileError(
                f"mqtt.{key} = {wrong['input']!r} is not valid",
                f"it must be {expected(cls.model_fields.get(key), f'mqtt.{key}')}",
            ) from error

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
        """Check that the settings fit together.

        Raises:
            ProfileError: when a setting is unsafe, or lacks another.
        """
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
