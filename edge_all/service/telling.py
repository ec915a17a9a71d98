"""Tells others by MQTT what the device does, as the settings say; and obeys, where they say so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_all.errors import ProfileError
from edge_all.service.announcing import OutboxAnnouncer
from edge_all.service.mqtt import Publisher
from edge_all.service.mqtt_commands import CommandReceiver
from edge_all.service.mqtt_settings import MqttSettings
from edge_all.session.commands import CommandQueue

if TYPE_CHECKING:
    from firmware_config.sections.metrics import Metrics
    from firmware_config.sections.mqtt import Mqtt


def mqtt_settings(section: Mqtt) -> MqttSettings:
    """A profile's table [mqtt]."""
    return MqttSettings(**{f.name: getattr(section, f.name) for f in fields(MqttSettings)})


class Telling:
    """From begin() to end(); both may be called again."""

    def __init__(
        self,
        record: Path,
        commands: CommandQueue | None = None,
        now: Callable[[], Mapping[str, Any]] = dict,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """commands: where those that come by MQTT go. now: the device's present state. say: told in one line of every
        change."""
        self._record, self._commands, self._now, self._say = record, commands, now, say
        self._settings = MqttSettings()
        self.publisher: Publisher | None = None

    def begin(self, section: Mqtt) -> None:
        """As the settings say now; what waits in the outbox is sent. Raises ProfileError, EdgeAllError (a package is
        missing)."""
        self.end()
        settings = mqtt_settings(section)
        if not settings.wanted:
            return
        settings.check()
        from edge_all.service.mqtt_connection import require_paho

        require_paho()
        self._settings = settings
        obeys = settings.commands and self._commands is not None
        receiver = CommandReceiver(self._commands, self._say) if obeys and self._commands is not None else None
        self.publisher = Publisher(settings, self._record, self._now, self._say, receiver)
        self.publisher.start()

    def end_soon(self) -> None:
        """What can be sent still is; returns at once."""
        if self.publisher is not None:
            self.publisher.end_soon()

    def end(self) -> None:
        """Say good-bye to the broker."""
        if self.publisher is not None:
            self.publisher.close()
        self.publisher, self._settings = None, MqttSettings()

    def announcer(self) -> OutboxAnnouncer | None:
        """For one session; None where nobody is to be told: nothing is queued then that nobody fetches."""
        return OutboxAnnouncer(self._settings.sample_ids) if self._settings.wanted else None


def monitoring_token(section: Metrics) -> str:
    """The token of /metrics and /healthz; empty: none. Raises ProfileError."""
    if not section.token_file:
        return ""
    try:
        lines = Path(section.token_file).expanduser().read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ProfileError(
            f"metrics.token_file {section.token_file} cannot be read ({reason})", "check the path and its rights"
        ) from error
    if not lines or len(lines[0]) < 16:
        raise ProfileError(
            f"metrics.token_file {section.token_file} holds no token of 16 characters or more",
            "write one: openssl rand -hex 32",
        )
    return lines[0]
