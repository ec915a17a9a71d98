"""Transfer of messages from the broker to PostgreSQL. No message is acknowledged before it is committed."""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass

from edge_all.fleet.incoming import Incoming, NotOursError, device_in, read_message, read_object
from edge_all.fleet.store import DatabaseGoneError, Refused, Seen, Store
from edge_all.telemetry.mqtt.connection import Connection, NoConnectionError
from edge_all.telemetry.mqtt.settings import MqttSettings

_log = logging.getLogger(__name__)
_MOST_AT_ONCE = 500
_WAITS_S = 0.5
_FIRST_RETRY_S, _LAST_RETRY_S = 0.5, 30.0
_ASKS_EVERY_S = 30.0
_OUTBOX = ("finding", "summary", "state")
_REPORT_EVERY_S = 60.0
"""Shortest interval between reports of refused messages."""


@dataclass(frozen=True)
class _Taken:
    """Message to be written."""

    item: Incoming | Refused | Seen
    number: int
    """Number to acknowledge to the broker."""
    device: str | None = None
    """Device to which to confirm the message."""
    uid: str | None = None
    """Id to confirm to the device."""


class Collector:
    """Collector that runs in the calling thread until stop()."""

    def __init__(self, settings: MqttSettings, store: Store) -> None:
        """Prepare a collector.

        Args:
            settings: Broker settings; ``device`` is the collector's name there. Two collectors on one broker need
                different names.
            store: Database to write to.

        Raises:
            ProfileError: when the settings are invalid.
        """
        settings.check()
        self._settings, self._store = settings, store
        self._stopping = threading.Event()
        self._waiting: list[_Taken] = []
        self._trouble: str | None = None
        self._reported_at = float("-inf")
        self._unreported: Counter[str] = Counter()
        self.stored = 0
        """Number of messages committed, including repeated ones."""
        self.refused = 0
        """Number of messages refused."""

    def stop(self) -> None:
        """Request the end of run(). Call this from any thread or a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Collect messages until stop(). Retry while the broker or the database is unavailable.

        Raises:
            EdgeAllError: when waiting cannot solve the problem, such as a newer schema or a missing package.
        """
        retry_s = _FIRST_RETRY_S
        while not self._stopping.is_set():
            try:
                self._store.open()
                self._one_connection()
                retry_s = _FIRST_RETRY_S
            except (NoConnectionError, DatabaseGoneError) as error:
                if str(error) != self._trouble:
                    _log.warning("%s", error)
                self._trouble = str(error)
                self._stopping.wait(retry_s)
                retry_s = min(2 * retry_s, _LAST_RETRY_S)
        self._store.close()

    def _one_connection(self) -> None:
        settings, presence = self._settings, f"{self._settings.topic}/collector"
        away = json.dumps({"works": False})
        connection = Connection(
            settings,
            f"edge-all-collector-{settings.device_id}",
            last_will=(presence, away),
            keep_session=True,
            manual_ack=True,
        )
        self._waiting.clear()  # the broker or the device sends unacknowledged messages again
        connection.on_message = self._received
        connection.open()
        self._trouble = None
        _log.info("connected to %s:%s, collecting %s/#", settings.host, settings.broker_port, settings.topic)
        try:
            connection.subscribe(*(f"{settings.topic}/+/{kind}" for kind in _OUTBOX))
            asked_at = float("-inf")
            # Each connection has a new id, so that devices send again what the previous one may have lost.
            connection.publish(presence, json.dumps({"works": True, "life": secrets.token_hex(8)}), retain=True)
            while connection.loop(_WAITS_S):
                if not self._waiting and time.monotonic() - asked_at > _ASKS_EVERY_S:
                    # Each subscription delivers the retained messages again. The broker may have dropped them earlier.
                    asked_at = time.monotonic()
                    connection.subscribe(*(f"{settings.topic}/+/{kind}" for kind in ("online", "now")))
                self._write(connection)
                if self._stopping.is_set():
                    connection.publish(presence, away, retain=True)
                    connection.close()
                    return
            raise NoConnectionError("the broker closed the connection", "reconnecting")
        finally:
            connection.drop()

    def _received(self, topic: str, payload: bytes, _retained: bool, number: int) -> None:
        self._waiting.append(self._read(topic, payload, number))

    def _read(self, topic: str, payload: bytes, number: int) -> _Taken:
        device = None
        try:
            device, kind = device_in(topic, self._settings.topic)
            if kind == "online":
                return _Taken(Seen(device, online=payload == b"online"), number)
            if kind == "now":
                return _Taken(Seen(device, now=read_object(payload)), number)
            message = read_message(device, kind, payload)
            return _Taken(message, number, device, message.uid)
        except NotOursError as error:
            self.refused += 1
            self._report_refused(str(error))
            shown = "".join(c if c.isprintable() else "?" for c in topic)[:200]
            # The message is confirmed so that the device does not send it forever. It is stored in "refused".
            return _Taken(Refused(shown, str(error), payload), number, device if error.uid else None, error.uid)

    def _write(self, connection: Connection) -> None:
        while self._waiting:
            batch = self._waiting[:_MOST_AT_ONCE]
            self._write_batch(connection, batch)
            del self._waiting[: len(batch)]

    def _write_batch(self, connection: Connection, batch: list[_Taken]) -> None:
        for refused in self._store.write(taken.item for taken in batch):
            self.refused += 1
            self._report_refused(refused.reason)
        uids: dict[str, list[str]] = defaultdict(list)
        for taken in batch:
            connection.acknowledge(taken.number)
            if taken.device is not None and taken.uid is not None:
                uids[taken.device].append(taken.uid)
        for device, confirmed in uids.items():
            self.stored += len(confirmed)
            connection.publish(f"{self._settings.topic}/{device}/collected", json.dumps({"uids": confirmed}))

    def _report_refused(self, reason: str) -> None:
        self._unreported[reason] += 1
        now = time.monotonic()
        if now - self._reported_at >= _REPORT_EVERY_S:
            self._reported_at = now
            which = ", ".join(f"{count} x {reason}" for reason, count in self._unreported.most_common(3))
            _log.warning("%s messages were refused (%s); see the table 'refused'", self._unreported.total(), which)
            self._unreported.clear()
