"""What systemd is told: sd_notify(3), a datagram to a socket whose name is in the environment."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """Tells nothing, and does no harm, where no systemd asked for it."""

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
        self._send(f"STATUS={text}")

    def reloading(self) -> None:
        """Settings are read again; ready() ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """It ends."""
        self._send("STOPPING=1\nSTATUS=ending")

    def alive(self) -> None:
        """A sign of life."""
        self._send("WATCHDOG=1")

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

    def _send(self, message: str) -> None:
        if not self._address:
            return
        name = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.connect(name)
                out.sendall(message.encode())
        except OSError:  # systemd is being restarted: the next one arrives
            pass
