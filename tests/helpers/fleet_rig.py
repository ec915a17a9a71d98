"""A real broker and a real PostgreSQL on the loopback, that can be killed and started again."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def installed(program: str, package: str, *folders: str) -> str:
    """Its path; installed with apt where that is allowed, else the test is skipped."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", *folders])
    found = shutil.which(program, path=path)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        command, quiet = ["apt-get", "install", "-y", package], subprocess.DEVNULL
        subprocess.run(command, check=False, env=environment, timeout=600, stdout=quiet, stderr=quiet)
        versions = sorted(Path("/usr/lib/postgresql").glob("*/bin")) if package == "postgresql" else []
        found = shutil.which(program, path=os.pathsep.join([path, *map(str, versions)]))
    if found is None:
        pytest.skip(f"{program} is not there: apt install {package}")
    return found


class Broker:
    """mosquitto as Debian ships it, with this configuration."""

    def __init__(self, folder: Path, *lines: str, listener: str | None = None) -> None:
        """listener: lines after "listener PORT 127.0.0.1"; None: anybody may come."""
        self._program = installed("mosquitto", "mosquitto")
        self.port = free_port()
        self._file = folder / f"mosquitto-{self.port}.conf"
        own = listener if listener is not None else "allow_anonymous true"
        self._file.write_text("\n".join([f"listener {self.port} 127.0.0.1", own, "user root", *lines, ""]))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Broker:
        self.process = subprocess.Popen(
            [self._program, "-c", str(self._file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return self
            assert self.process.poll() is None, "mosquitto ended at its start"
            time.sleep(0.05)
        raise AssertionError("mosquitto does not listen")

    def kill(self) -> None:
        """Kill it like a power failure, so that nothing that it holds in memory is written."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)


class Postgres:
    """A cluster of its own, run as the user postgres where the test is root."""

    def __init__(self) -> None:
        programs = Path(os.path.realpath(installed("postgres", "postgresql", *_versions()))).parent
        self._bin = programs
        self._user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        # Not below pytest's folders, because only root may enter them.
        self.folder = Path(tempfile.mkdtemp(prefix="edge-all-postgres-"))
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._run("initdb", "-D", str(self.folder / "data"), "-A", "trust", "-U", "edge_all", "-E", "UTF8")
        self.url = f"postgresql://edge_all@127.0.0.1:{self.port}/postgres"

    def start(self) -> Postgres:
        options = ["-h", "127.0.0.1", "-p", str(self.port), "-k", str(self.folder), "-D", str(self.folder / "data")]
        self.process = subprocess.Popen(
            [str(self._bin / "postgres"), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self._as_user(),
        )
        import psycopg

        for _ in range(300):
            with contextlib.suppress(psycopg.Error):
                psycopg.connect(self.url, connect_timeout=2).close()
                return self
            time.sleep(0.1)
        raise AssertionError("postgres does not answer")

    def stop(self, how: int = signal.SIGINT) -> None:
        """SIGINT: at once and clean; SIGQUIT: as in a crash."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(60)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as database:
            return database.execute(query).fetchall()

    def execute(self, statements: str) -> None:
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as database:
            database.execute(statements)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run([str(self._bin / program), *arguments], check=True, capture_output=True, **self._as_user())

    def _as_user(self) -> dict[str, Any]:
        if self._user is None:
            return {"cwd": "/"}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": [], "cwd": "/"}


def _versions() -> list[str]:
    return [str(p) for p in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]


def repeat_backwards(port: int, messages: Sequence[Mapping[str, Any]]) -> None:
    """Repeat the messages of a device as a stranger would, the last first."""
    import paho.mqtt.client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    client = mqtt.Client(CallbackAPIVersion.VERSION2, "repeater")
    client.connect("127.0.0.1", port)
    client.loop_start()
    for said in reversed(messages):
        kind = "finding" if "cell" in said else "summary" if "counts" in said else "state"
        last = client.publish(f"edge-all/{said['device']}/{kind}", json.dumps(said), qos=1)
    last.wait_for_publish(60)
    client.disconnect()
    client.loop_stop()


def wait_for(what: Callable[[], object], seconds: float = 60.0, every: float = 0.1) -> bool:
    """Until it is true, no longer than that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(every)
    return bool(what())
