"""Notifications to systemd by sd_notify(3): datagrams to a socket named in the environment."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

_HEARD_WITHIN_S = 5.0
"""Time limit in seconds for sending a one-time message while systemd reads nothing; its socket queues only a few."""


class Notifier:
    """Sender of notifications to systemd.

    Without systemd, or while it does not listen, it does nothing and raises no error, so that the analysis loops that
    send heartbeats are not disturbed.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        asked = environment.get("WATCHDOG_USEC", "")
        meant = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s = int(asked) / 1e6 if asked.isdigit() and meant else None
        """Watchdog timeout in seconds; None without a watchdog."""

    def ready(self, status: str) -> None:
        """Report that the service is ready."""
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, text: str) -> None:
        """Set the status line shown by systemctl status."""
        self._send(f"STATUS={text}", waits_s=0.0)

    def reloading(self) -> None:
        """Report that the settings are being reloaded; ready() ends this state."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Report that the service is stopping."""
        self._send("STOPPING=1\nSTATUS=ending")

    def alive(self) -> None:
        """Send a heartbeat."""
        self._send("WATCHDOG=1", waits_s=0.0)

    def start_may_take(self, seconds: float) -> None:
        """Extend the start timeout to ``seconds`` from now, beyond TimeoutStartSec=. ready() starts the watchdog."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}")

    def watch_every(self, seconds: float) -> None:
        """Set the watchdog timeout to ``seconds`` and send a heartbeat; for use after ready().

        EXTEND_TIMEOUT_USEC= applies to start and stop only, and the next heartbeat would cancel it.
        """
        if self.watchdog_s is not None:
            self._send(f"WATCHDOG_USEC={round(seconds * 1e6)}")

    def restart(self) -> None:
        """Trigger the watchdog, so that systemd acts as if the heartbeat had failed."""
        self._send("WATCHDOG=trigger")

    def _send(self, message: str, waits_s: float = _HEARD_WITHIN_S) -> None:
        """Send a message. ``waits_s`` is 0 for a repeated message, which is skipped while systemd's socket is full."""
        if not self._address:
            return
        name = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.settimeout(waits_s)
                out.connect(name)
                out.sendall(message.encode())
        except OSError:  # systemd is restarting or not reading; a later message will arrive
            pass
