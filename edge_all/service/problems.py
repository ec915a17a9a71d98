"""What is wrong with the station itself, by kind; it stays up all the same, and says it."""

from __future__ import annotations

import threading
from enum import Enum


class Kind(str, Enum):
    """Of a problem."""

    SETTINGS = "settings"
    MODEL = "model"
    CAMERA = "camera"
    PAGES = "pages"
    RESTART = "restart"
    CERTIFICATE = "certificate"
    CONTROL = "control"
    RECORD = "record"
    DISK = "disk"
    RECORD_ROOM = "record-room"
    MEMORY = "memory"
    CUT_OFF = "cut-off"
    MQTT = "mqtt"
    METRICS = "metrics"

    def __str__(self) -> str:
        return self.value


_BLOCKING = (Kind.SETTINGS, Kind.MODEL)
"""No session begins: it would judge otherwise than was asked for."""


class Problems:
    """One at most of each kind; from any thread."""

    def __init__(self) -> None:
        self._told: dict[Kind, str] = {}
        self._lock = threading.Lock()

    def set(self, kind: Kind, text: str | None) -> bool:
        """None or "": it is mended. Gives whether that is news."""
        with self._lock:
            before = self._told.get(kind)
            if text:
                self._told[kind] = text
            else:
                self._told.pop(kind, None)
            return self._told.get(kind) != before

    def all(self) -> dict[Kind, str]:
        """In the order of the kinds."""
        with self._lock:
            return {kind: self._told[kind] for kind in Kind if kind in self._told}

    @property
    def blocking(self) -> str | None:
        """Why no session can begin."""
        told = self.all()
        return next((told[kind] for kind in _BLOCKING if kind in told), None)
