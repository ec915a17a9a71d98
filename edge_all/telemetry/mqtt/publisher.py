"""MQTT publisher of the outbox: at least once, in order, across network outages of any length.

A separate thread holds the MQTT connection and its own connection to the record. It holds nothing that a stop could
lose, because unconfirmed messages stay in the outbox and are sent again with the same uid. With confirm = "collector",
a message leaves the outbox only after the collector confirms that it is in its database. A broker that fails with
messages in memory then loses none of them.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edge_all.errors import EdgeAllError, RecordError
from edge_all.record.events.outbox import FINDING, Message, OutboxUse, mark_sent, oldest, outbox_use
from edge_all.record.store import Record
from edge_all.telemetry.mqtt.commands import CommandReceiver
from edge_all.telemetry.mqtt.connection import Connection, NoConnectionError
from edge_all.telemetry.mqtt.home_assistant import discovery_messages
from edge_all.telemetry.mqtt.messages import enveloped
from edge_all.telemetry.mqtt.pictures import sent_picture
from edge_all.telemetry.mqtt.settings import MqttSettings

_log = logging.getLogger(__name__)
_FIRST_WINDOW, _LAST_WINDOW = 16, 100
"""Messages in flight: one more after each confirmed window, half as many after a timeout.

A broker silently discards messages that it cannot queue for a collector to which hundreds of devices write.
"""
_LOOKS_EVERY_S = 0.5
_WRITES_EVERY_S = 1.0
"""Minimum seconds between removals from the outbox, to reduce the writes to an SD card."""
_ASKS_EVERY_S, _NOW_EVERY_S = 1.0, 10.0
"""Seconds between reads of the device's present state, and between its publications."""
_FIRST_RETRY_S, _LAST_RETRY_S = 1.0, 60.0
_FIRST_RESEND_S, _LAST_RESEND_S = 8.0, 600.0


class Publisher:
    """Publisher thread, running from start() to close(). Its properties can be read from any thread."""

    def __init__(
        self,
        settings: MqttSettings,
        record_folder: Path,
        now: Callable[[], Mapping[str, Any]] = dict,
        commands: CommandReceiver | None = None,
    ) -> None:
        """Create the publisher.

        Args:
            settings: The MQTT settings.
            record_folder: Folder of the record with the outbox.
            now: Returns the device's present state, which is published retained when it changes.
            commands: Receives the messages of the command topic.

        Raises:
            ProfileError: when the settings are invalid or unsafe.
        """
        settings.check()
        self._settings, self._folder = settings, record_folder
        self._now, self._commands = now, commands
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._record: Record | None = None
        self._was_open = False
        """True once the record was opened; a record that disappears later is not created again here."""
        self._in_flight: dict[int, Message] = {}
        """Unconfirmed messages by their number on this connection."""
        self._arrived: dict[int, Message] = {}
        """Confirmed messages by their id, to be removed from the outbox."""
        self._more = False
        """True when more messages are waiting than the window holds."""
        self._refused: str | None = None
        self._collector: str | None = None
        """Run id of the active collector, or None."""
        self._last_now: Mapping[str, Any] | None = None
        self._asked_at = self._now_at = self._looked_at = self._wrote_at = self._progress_at = float("-inf")
        self._resend_s = _FIRST_RESEND_S
        self._window = float(_FIRST_WINDOW)
        self.connected = False
        self.connects = 0
        self.failures = 0
        self.sent = 0
        """Messages confirmed since the start."""
        self.trouble: str | None = None
        """Reason why there is no connection; None while connected."""
        self.use = OutboxUse(0, None, 0)
        """Use of the outbox as last seen."""

    def start(self) -> None:
        """Start the thread. An unreachable broker does not raise an error."""
        self._thread.start()

    def end_soon(self) -> None:
        """Send what can still be sent and disconnect; return immediately."""
        self._closing.set()

    def close(self, timeout_s: float = 3.0) -> None:
        """Call end_soon() and wait up to ``timeout_s`` seconds for the thread, plus a grace period of 2 s."""
        self.end_soon()
        if self._thread.is_alive():
            self._thread.join(timeout_s + 2.0)

    # -- the thread ------------------------------------------------------------------------------------------

    def _run(self) -> None:
        retry_s = _FIRST_RETRY_S
        while not self._closing.is_set():
            started = time.monotonic()
            try:
                self._one_connection()
            except EdgeAllError as error:
                self._troubled(str(error))
            self.connected = False
            retry_s = _FIRST_RETRY_S if time.monotonic() - started > _LAST_RETRY_S else min(2 * retry_s, _LAST_RETRY_S)
            # Two hundred devices must not reconnect in the same second.
            self._closing.wait(retry_s * random.uniform(0.5, 1.0))
        if self._record is not None:
            self._record.close()

    def _one_connection(self) -> None:
        settings, root = self._settings, self._settings.root
        if self._record is not None and self._record.is_set_aside:
            aside, self._record = self._record, None
            self._arrived.clear()  # ids of another record; the uid identifies a repeated message
            aside.close()
        if self._record is None:
            self._record = Record.open(self._folder, create=not self._was_open, check=False)
            self._was_open = True
        self._look_at_use(self._record)
        connection = Connection(settings, f"edge-all-{settings.device_id}", last_will=(f"{root}/online", "offline"))
        connection.on_message = self._received
        connection.on_published = self._published
        self._in_flight.clear()
        self._refused, self._collector, self._last_now = None, None, None
        connection.open()
        self.connected, self.trouble = True, None
        self.connects += 1
        _log.info("MQTT: connected to %s:%s as %s", settings.host, settings.broker_port, settings.device_id)
        try:
            self._greet(connection)
            while connection.loop(_LOOKS_EVERY_S) and self._refused is None:
                if self._closing.is_set():
                    break
                if self._record.is_set_aside:
                    raise NoConnectionError(
                        "the record was recreated, moved or deleted", "sending resumes when the record is available"
                    )
                self._work(connection, self._record)
            if self._refused is not None:
                raise NoConnectionError(
                    f"the broker rejects this device's messages ({self._refused})",
                    f"allow the device to write to {root}/#; unsent messages stay in the outbox",
                )
            if not self._closing.is_set():
                raise NoConnectionError("the broker closed the connection", "retrying automatically")
            self._farewell(connection, self._record)
        finally:
            self._write_arrived(self._record)
            connection.drop()

    def _greet(self, connection: Connection) -> None:
        settings, root = self._settings, self._settings.root
        if self._commands is not None:
            connection.subscribe(f"{root}/command")
        if settings.confirm == "collector":
            connection.subscribe(f"{root}/collected", f"{settings.topic}/collector")
        connection.publish(f"{root}/online", "online", retain=True)
        if settings.discovery:
            for topic, payload in discovery_messages(settings):
                connection.publish(topic, payload, retain=True)
        self._progress_at = time.monotonic()

    def _work(self, connection: Connection, record: Record) -> None:
        now = time.monotonic()
        self._publish_now(connection, now)
        if self._commands is not None:
            for answer in self._commands.answers():
                connection.publish(f"{self._settings.root}/command/answer", answer)
        if self._in_flight and now - self._progress_at > self._resend_s:
            self._in_flight.clear()
            self._progress_at = now
            self._resend_s = min(2 * self._resend_s, _LAST_RESEND_S) * random.uniform(0.7, 1.0)
            self._window = max(1.0, self._window / 2)
        if self._arrived and (now - self._wrote_at >= _WRITES_EVERY_S or len(self._arrived) >= _LAST_WINDOW):
            self._write_arrived(record)
        if now - self._looked_at >= _LOOKS_EVERY_S or (self._more and len(self._in_flight) <= self._window / 2):
            self._looked_at = now
            self._send(connection, record)

    def _send(self, connection: Connection, record: Record) -> None:
        if self._settings.confirm == "collector" and self._collector is None:
            return
        free = int(self._window) - len(self._in_flight)
        if free <= 0:
            return
        known = {m.id for m in self._in_flight.values()} | self._arrived.keys()
        waiting = [m for m in oldest(record, free + len(known)) if m.id not in known]
        self._more = len(waiting) == free
        for message in waiting:
            more = {}
            if self._settings.pictures and message.kind == FINDING:
                more = sent_picture(self._folder, message.payload)
            text = enveloped(
                message.payload, message.uid, message.id, message.created, self._settings.device_id, **more
            )
            self._in_flight[connection.publish(f"{self._settings.root}/{message.topic}", text)] = message

    def _publish_now(self, connection: Connection, now: float) -> None:
        if now - self._asked_at < _ASKS_EVERY_S and self._last_now is not None:
            return
        self._asked_at = now
        state, last = dict(self._now()), self._last_now
        # A new phase is published immediately, changed numbers only at intervals.
        due = last is None or now - self._now_at >= _NOW_EVERY_S or state.get("phase") != last.get("phase")
        if state and state != last and due:
            connection.publish(f"{self._settings.root}/now", json.dumps(state, ensure_ascii=False), retain=True)
            self._last_now, self._now_at = state, now

    def _farewell(self, connection: Connection, record: Record) -> None:
        end = time.monotonic() + 2.0
        self._send(connection, record)
        while self._in_flight and time.monotonic() < end and connection.loop(0.05):
            pass
        connection.publish(f"{self._settings.root}/online", "offline", retain=True)
        connection.close()

    # -- incoming messages ---------------------------------------------------------------------------------------

    def _published(self, number: int, refused: str | None) -> None:
        message = self._in_flight.get(number)
        if refused is not None:
            self._refused = refused
        elif message is not None and self._settings.confirm == "broker":
            self._confirm(number, message)

    def _received(self, topic: str, payload: bytes, retained: bool, _number: int) -> None:
        settings = self._settings
        if topic == f"{settings.root}/command" and self._commands is not None:
            self._commands.receive(payload, retained)
        elif topic == f"{settings.topic}/collector":
            before, self._collector = self._collector, _collector_in(payload)
            if self._collector != before:  # a restarted collector may not have what it did not confirm
                self._in_flight.clear()
                self._resend_s = _FIRST_RESEND_S
        elif topic == f"{settings.root}/collected":
            uids = _uids_in(payload)
            for number, message in list(self._in_flight.items()):
                if message.uid in uids:
                    self._confirm(number, message)

    def _confirm(self, number: int, message: Message) -> None:
        del self._in_flight[number]
        self._arrived[message.id] = message
        self.sent += 1
        self._progress_at, self._resend_s = time.monotonic(), _FIRST_RESEND_S * random.uniform(0.7, 1.0)
        self._window = min(float(_LAST_WINDOW), self._window + 1 / self._window)

    def _write_arrived(self, record: Record) -> None:
        self._wrote_at = time.monotonic()
        try:
            mark_sent(record, list(self._arrived.values()))
        except RecordError as error:  # on a full disk they stay here, and are sent again only after a restart
            self._troubled(str(error))
            return
        self._arrived.clear()
        self._look_at_use(record)

    def _look_at_use(self, record: Record) -> None:
        self.use = outbox_use(record)

    def _troubled(self, why: str) -> None:
        self.failures += 1
        if why != self.trouble:  # once, not on every attempt
            _log.warning("MQTT: %s", why)
        self.trouble = why


def _collector_in(payload: bytes) -> str | None:
    """Return the run id of the collector; None when it is away or the message is malformed."""
    try:
        message = json.loads(payload)
        return str(message["life"]) if message["works"] is True else None
    except (ValueError, KeyError, TypeError):
        return None


def _uids_in(payload: bytes) -> frozenset[str]:
    try:
        message = json.loads(payload)
        return frozenset(uid for uid in message["uids"] if isinstance(uid, str))
    except (ValueError, KeyError, TypeError):
        return frozenset()
