"""What systemd is told: sd_notify(3), a datagram to a socket whose name is in the environment."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

_HEARD_WITHIN_S = 5.0
"""What is told once waits for so long while systemd reads nothing; its socket keeps a few messages only."""


class Notifier:
    """Tells nothing, and does no harm, where no systemd asked for it, or where it does not listen: the loops that give
    signs of life look at cells."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        asked = environment.get("WATCHDOG_USEC", "")
        meant = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s = int(asked) / 1e6 if asked.isdigit() and meant else None
        """How long systemd waits for a sign of life; None: it does not."""

    def ready(self, status: str) -> None:
        """Whoever waits for the service goes on."""
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, text: str) -> None:
        """One line for systemctl status."""
        self._send(f"STATUS={text}", waits_s=0.0)

    def reloading(self) -> None:
        """Settings are read again; ready() ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """It ends."""
        self._send("STOPPING=1\nSTATUS=ending")

    def alive(self) -> None:
        """A sign of life."""
        self._send("WATCHDOG=1", waits_s=0.0)

    def start_may_take(self, seconds: float) -> None:
        """So long from now, beyond TimeoutStartSec=; until ready() there is no watchdog that would end it."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}")

    def watch_every(self, seconds: float) -> None:
        """From now on a sign of life is missed after so long; this is one. Once ready: EXTEND_TIMEOUT_USEC= is of start
        and stop, and the next sign of life would take it back."""
        if self.watchdog_s is not None:
            self._send(f"WATCHDOG_USEC={round(seconds * 1e6)}")

    def restart(self) -> None:
        """It cannot help itself: systemd acts as if the sign of life had not come."""
        self._send("WATCHDOG=trigger")

    def _send(self, message: str, waits_s: float = _HEARD_WITHIN_S) -> None:
        """waits_s: 0 for what is told again soon: where systemd has not read what was told before, it is left out."""
        if not self._address:
            return
        name = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.settimeout(waits_s)
                out.connect(name)
                out.sendall(message.encode())
        except OSError:  # systemd is being restarted, or reads nothing now: the next one arrives
            pass
