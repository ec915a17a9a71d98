"""Connection to an MQTT broker, with one-line reasons for failures."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from edge_all.errors import EdgeAllError, ProfileError
from edge_all.telemetry.mqtt.settings import MqttSettings

if TYPE_CHECKING:
    from paho.mqtt.client import Client

KEEPALIVE_S = 30
_CONNECTS_WITHIN_S = 10.0
_ANSWERS_WITHIN_S = 10.0
_MOST_IN_FLIGHT = 100


class NoConnectionError(EdgeAllError):
    """The broker cannot be reached or refuses the connection."""


class Connection:
    """One connection from CONNECT to its end; not reusable. All calls must come from one thread."""

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        *,
        last_will: tuple[str, str] | None = None,
        keep_session: bool = False,
        manual_ack: bool = False,
    ) -> None:
        """Create the connection without opening it.

        Args:
            settings: The MQTT settings.
            client_id: The client's id at the broker.
            last_will: Topic and retained payload of the last will.
            keep_session: The broker queues incoming messages while the client is disconnected.
            manual_ack: Messages are acknowledged with acknowledge().

        Raises:
            EdgeAllError: when paho-mqtt is not installed.
            ProfileError: when a certificate cannot be read.
        """
        mqtt = require_paho()
        self._settings, self._keep = settings, keep_session
        self._refused: str | None = None
        self.connected = False
        self.on_message: Callable[[str, bytes, bool, int], None] = lambda *_: None
        """Called with topic, payload, retained flag and the number for acknowledge()."""
        self.on_published: Callable[[int, str | None], None] = lambda *_: None
        """Called with the number returned by publish() and the broker's reason for a refusal, or None."""
        self.client: Client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id, protocol=mqtt.MQTTv5, manual_ack=manual_ack
        )
        self.client.max_inflight_messages_set(_MOST_IN_FLIGHT)
        self.client.connect_timeout = _CONNECTS_WITHIN_S
        if settings.username:
            self.client.username_pw_set(settings.username, settings.password())
        if settings.tls:
            self.client.tls_set_context(_tls(settings))
        if last_will is not None:
            self.client.will_set(*last_will, qos=1, retain=True)
        self.client.on_connect = self._answered
        self.client.on_disconnect = self._gone
        self.client.on_message = lambda _c, _u, m: self.on_message(m.topic, bytes(m.payload), m.retain, m.mid)
        self.client.on_publish = lambda _c, _u, mid, why, _p: self.on_published(
            mid, str(why).lower() if why.is_failure else None
        )

    def open(self) -> None:
        """Connect and wait for the broker's answer.

        Raises:
            NoConnectionError: when the broker does not answer or refuses the connection.
        """
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        if self._keep:
            properties.SessionExpiryInterval = 0xFFFFFFFF
        where = f"{self._settings.host}:{self._settings.broker_port}"
        try:
            self.client.connect(
                self._settings.host,
                self._settings.broker_port,
                KEEPALIVE_S,
                clean_start=not self._keep,
                properties=properties,
            )
            for _ in range(int(_ANSWERS_WITHIN_S / 0.1)):
                if self.connected or self._refused is not None:
                    break
                if self.client.loop(0.1) != 0:
                    break
        except (OSError, ValueError) as error:
            raise NoConnectionError(f"no connection to the broker {where} ({_why(error)})", _remedy(error)) from error
        if not self.connected:
            self.close()
            why = self._refused or "it closed the connection before answering"
            raise NoConnectionError(
                f"the broker {where} refused the connection ({why})",
                "check mqtt.username, its password, its permissions at the broker, mqtt.tls and mqtt.port",
            )

    def loop(self, timeout_s: float) -> bool:
        """Send and receive, waiting up to ``timeout_s`` seconds for data; return False when the connection is lost."""
        if not self.connected:
            return False
        try:
            return self.client.loop(timeout_s) == 0 and self.connected
        except OSError:
            return False

    def publish(self, topic: str, payload: str, *, retain: bool = False) -> int:
        """Publish at least once (QoS 1) and return the message's number on this connection."""
        return self.client.publish(topic, payload, qos=1, retain=retain).mid

    def subscribe(self, *topics: str) -> None:
        """Subscribe to topics with QoS 1 (at least once)."""
        self.client.subscribe([(topic, 1) for topic in topics])

    def acknowledge(self, number: int) -> None:
        """Acknowledge a message received with manual_ack, once it is safely stored."""
        self.client.ack(number, 1)

    def close(self) -> None:
        """Disconnect cleanly, so that the broker does not send the last will."""
        with contextlib.suppress(OSError, ValueError):
            self.client.disconnect()
            for _ in range(10):
                if self.client.loop(0.05) != 0:
                    break
        self.connected = False

    def drop(self) -> None:
        """Close the socket without an MQTT disconnect."""
        self.connected = False
        with contextlib.suppress(OSError):
            if (open_socket := self.client.socket()) is not None:
                open_socket.close()

    def _answered(self, _client: Any, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._refused = str(reason).lower()
        else:
            self.connected = True

    def _gone(self, *_: Any) -> None:
        self.connected = False


def require_paho() -> Any:
    """Import and return paho.mqtt.client.

    Raises:
        EdgeAllError: when paho-mqtt is not installed.
    """
    try:
        import paho.mqtt.client as mqtt
    except ModuleNotFoundError as error:
        raise EdgeAllError(
            "MQTT needs the package paho-mqtt, which is not installed", "pip install 'edge-all[service]'"
        ) from error
    return mqtt


def _tls(settings: MqttSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ProfileError(
            f"mqtt.ca_file {settings.ca_file} cannot be used ({error.strerror or error})", "set it to a PEM file"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.certificate_file:
        try:
            context.load_cert_chain(settings.certificate_file, settings.key_file)
        except (OSError, ssl.SSLError) as error:
            raise ProfileError(
                f"mqtt.certificate_file {settings.certificate_file} with its key cannot be used "
                f"({error.strerror or error})",
                "set a matching pair of PEM files",
            ) from error
    return context


def _why(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return "no TLS on this port" if "WRONG_VERSION" in str(error) else f"TLS failed: {error.reason}"
    if isinstance(error, socket.gaierror):
        return "unknown host"
    if isinstance(error, TimeoutError):
        return "no answer"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _remedy(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "renew the broker's certificate, or set mqtt.ca_file to its authority; check this machine's clock"
    return "check mqtt.host and mqtt.port, and that the broker is running; unsent messages stay in the outbox"
