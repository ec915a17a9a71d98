"""MQTT life cycle: publishing and optional remote commands, as configured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_all.errors import ProfileError
from edge_all.session.commands import CommandQueue
from edge_all.telemetry.mqtt.commands import CommandReceiver
from edge_all.telemetry.mqtt.outbox_listener import OutboxListener
from edge_all.telemetry.mqtt.publisher import Publisher
from edge_all.telemetry.mqtt.settings import MqttSettings

if TYPE_CHECKING:
    from firmware_config.sections.metrics import Metrics
    from firmware_config.sections.mqtt import Mqtt


class MqttClient:
    """MQTT client, active from ``begin()`` to ``end()``. Both can be called repeatedly."""

    def __init__(
        self,
        record: Path,
        commands: CommandQueue | None = None,
        now: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        """Create the inactive client.

        Args:
            record: Folder of the record with the outbox.
            commands: Queue for commands received by MQTT; None to ignore them.
            now: Returns the device's present state.
        """
        self._record, self._commands, self._now = record, commands, now
        self._settings = MqttSettings()
        self.publisher: Publisher | None = None

    def begin(self, section: Mqtt) -> None:
        """Apply the settings and start sending the messages waiting in the outbox.

        Raises:
            ProfileError: when the settings are invalid or unsafe.
            EdgeAllError: when paho-mqtt is not installed.
        """
        self.end()
        settings = MqttSettings.of(section)
        if not settings.wanted:
            return
        settings.check()
        from edge_all.telemetry.mqtt.connection import require_paho

        require_paho()
        self._settings = settings
        obeys = settings.commands and self._commands is not None
        receiver = CommandReceiver(self._commands) if obeys and self._commands is not None else None
        self.publisher = Publisher(settings, self._record, self._now, receiver)
        self.publisher.start()

    def end_soon(self) -> None:
        """Send what can still be sent and disconnect; return immediately."""
        if self.publisher is not None:
            self.publisher.end_soon()

    def end(self) -> None:
        """Disconnect from the broker and wait for the thread to end."""
        if self.publisher is not None:
            self.publisher.close()
        self.publisher, self._settings = None, MqttSettings()

    def listener(self) -> OutboxListener | None:
        """Return the listener of one session, or None without a broker, so that nothing is queued in vain."""
        return OutboxListener(self._settings.sample_ids) if self._settings.wanted else None


def monitoring_token(section: Metrics) -> str:
    """Return the token for /metrics and /healthz, or an empty string without one.

    Raises:
        ProfileError: when the token file cannot be read or its token is too short.
    """
    if not section.token_file:
        return ""
    try:
        lines = Path(section.token_file).expanduser().read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ProfileError(
            f"metrics.token_file {section.token_file} cannot be read ({reason})", "check the path and its permissions"
        ) from error
    if not lines or len(lines[0]) < 16:
        raise ProfileError(
            f"metrics.token_file {section.token_file} contains no token of 16 characters or more",
            "create one with: openssl rand -hex 32",
        )
    return lines[0]
