"""edge-all service in a process of its own, with a folder of its own and a systemd that listens."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edge_all.record.store import Record
from edge_all.service.control import ask

SIM = "sim:?seed=3&fields=4000&fps=20&frames_per_field=1"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Running:
    """A service that runs until its context is left. Its settings are those of a bench, in a rewritable file."""

    def __init__(
        self,
        folder: Path,
        settings: str = "",
        camera: str = SIM,
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder, self.port = folder, free_port()
        (folder / "etc").mkdir(exist_ok=True)
        base = (
            f'[web]\nport = {self.port}\n[camera]\nuri = "{camera}"\n[engine]\nname = "onnxruntime-cpu"\nthreads = 1\n'
        )
        (folder / "etc" / "10-device.toml").write_text(base)
        (folder / "etc" / "20-bench.toml").write_text(settings)
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        (folder / "notify").unlink(missing_ok=True)
        self.notified.bind(str(folder / "notify"))
        self.messages: list[str] = []
        self.options = options
        self.environment = os.environ | {
            "EDGE_ALL_CONFIG": str(folder / "etc"),
            "EDGE_ALL_STATE": str(folder / "state"),
            "EDGE_ALL_RUNTIME": str(folder / "run"),
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": "30000000",
            **(environment or {}),
        }
        self.log = (folder / "log").open("a+")
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "edge_all", "service", *self.options]
        self.process = subprocess.Popen(command, env=self.environment, stderr=self.log, stdout=self.log)

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(20)
        self.notified.close()
        self.log.close()

    def listen(self) -> list[str]:
        self.notified.setblocking(False)
        try:
            while True:
                self.messages.append(self.notified.recv(8192).decode())
        except BlockingIOError:
            return self.messages

    def wait_for(self, condition: Callable[[], object], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"it ended:\n{self.journal}"
            assert time.monotonic() < end, f"it did not come:\n{self.journal}\n{self.listen()[-3:]}"
            time.sleep(0.1)

    def wait_ready(self) -> Running:
        self.wait_for(lambda: any(m.startswith("READY=1") for m in self.listen()))
        return self

    @property
    def journal(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def status(self) -> str:
        told = [m for m in self.listen() if "STATUS=" in m]
        return told[-1].split("STATUS=")[1] if told else ""

    @property
    def state(self) -> Any:
        return ask(self.folder / "run" / "control.sock", {"command": "status"})["state"]

    def steer(self, command: str, sample: str | None = None) -> dict[str, Any]:
        return ask(self.folder / "run" / "control.sock", {"command": command, "sample": sample})

    def page(self, path: str = "/live/state", port: int | None = None) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=30)
        connection.request("GET", path, headers={"Accept": "application/json"})
        return connection.getresponse().read()

    def record(self) -> Record:
        return Record.open(self.folder / "state" / "record", create=False, check=False)
