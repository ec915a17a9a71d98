"""Problems of the station itself, by kind. The service keeps running and reports them."""

from __future__ import annotations

import threading
from enum import Enum


class ProblemKind(str, Enum):
    """Kind of a problem."""

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


_BLOCKING = (ProblemKind.SETTINGS, ProblemKind.MODEL)
"""Kinds that prevent a session, because it would classify differently than configured."""


class Problems:
    """Present problems, at most one of each kind; safe to use from any thread."""

    def __init__(self) -> None:
        self._texts: dict[ProblemKind, str] = {}
        self._lock = threading.Lock()

    def set(self, kind: ProblemKind, text: str | None) -> bool:
        """Set the problem of a kind, or clear it with None or "". Return whether it changed."""
        with self._lock:
            before = self._texts.get(kind)
            if text:
                self._texts[kind] = text
            else:
                self._texts.pop(kind, None)
            return self._texts.get(kind) != before

    def all(self) -> dict[ProblemKind, str]:
        """Return the problems in the order of the kinds."""
        with self._lock:
            return {kind: self._texts[kind] for kind in ProblemKind if kind in self._texts}

    @property
    def blocking(self) -> str | None:
        """Reason why no session can start, or None."""
        texts = self.all()
        return next((texts[kind] for kind in _BLOCKING if kind in texts), None)
