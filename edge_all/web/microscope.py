"""A microscope as the pages and monitoring programs see it: the station with what shows and reports it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edge_all.session.hooks import SessionHooks
from edge_all.session.progress import Progress
from edge_all.session.station import Station
from edge_all.telemetry.device_state import DeviceState
from edge_all.telemetry.mqtt.client import MqttClient
from edge_all.web.live.live_view import LiveView

if TYPE_CHECKING:
    from firmware_config.sections.mqtt import Mqtt


class Microscope:
    """Station, live view, device state and MQTT client, connected with each other and with the sessions."""

    def __init__(self, record: Path, station: Station, live: LiveView, monitoring_token: str = "") -> None:
        """Connect a station.

        Args:
            record: Folder of the record.
            station: The station.
            live: Its live view.
            monitoring_token: Bearer token that /metrics and /healthz require from another machine; empty to refuse.
        """
        self.station, self.live, self.monitoring_token = station, live, monitoring_token
        self.device = DeviceState(record, station)
        """State that /metrics, /healthz and MQTT report."""
        self.mqtt = MqttClient(record, station.commands, self.device.now)

    def hooks(self, on_heartbeat: Callable[[], None] | None = None) -> SessionHooks:
        """Return the hooks of one session. Heartbeats go to the device state by default."""
        return SessionHooks(
            commands=self.station.commands,
            listener=self.mqtt.listener(),
            on_heartbeat=on_heartbeat or self.device.on_heartbeat,
            times=self.device.times,
        )

    def took(self, progress: Progress) -> None:
        """Show and count a frame after it was recorded."""
        self.live.take(progress)
        self.device.took(progress)

    def start_mqtt(self, section: Mqtt) -> None:
        """Apply MQTT settings.

        Raises:
            ProfileError: when the settings are invalid or unsafe.
            EdgeAllError: when paho-mqtt is not installed.
        """
        try:
            self.mqtt.begin(section)
        finally:
            self.device.publisher = self.mqtt.publisher
