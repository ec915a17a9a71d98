"""A fresh Debian with a real systemd, booted in systemd-nspawn. Its files are in memory and lost when it stops."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

RIGS = Path(os.environ.get("EDGE_ALL_RIGS") or "/var/tmp/edge-all-rigs")
_PACKAGES = "systemd,systemd-sysv,dbus,udev,python3,python3-venv,ca-certificates,procps"
_BOOTS_WITHIN_S = 600
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def why_not() -> str | None:
    """None when containers can be made here; installs what is missing where it may."""
    if os.geteuid() != 0:
        return "systemd-nspawn needs root"
    if shutil.which("apt-get") is None:
        return "no Debian here"
    if shutil.which("debootstrap") is None or shutil.which("systemd-nspawn") is None:
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        done = subprocess.run(["apt-get", "install", "-y", "-qq", "debootstrap", "systemd-container"], check=False)
        if done.returncode:
            return "debootstrap and systemd-container could not be installed"
    return None


def debian_tree() -> Path:
    """The folder of a fresh Debian, made once: 330 MB, a minute or two."""
    tree = RIGS / "base"
    if (tree / "complete").exists():
        return tree
    told = subprocess.run(["apt-cache", "policy", "bash"], capture_output=True, text=True, check=True).stdout
    mirror = re.findall(r"https?://\S+/debian\b", told)[0]
    shutil.rmtree(tree, ignore_errors=True)
    RIGS.mkdir(parents=True, exist_ok=True)
    command = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", "bookworm", str(tree), mirror]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (tree / "complete").touch()
    return tree


class Container:
    """Booted from entering to leaving its context. Its only network is a loopback of its own."""

    def __init__(self, binds: Mapping[Path, str]) -> None:
        """binds: folders of this machine, by where they are seen inside; read-only there."""
        self._binds = binds
        self._process: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def __enter__(self) -> Container:
        tree = debian_tree()
        console = tempfile.TemporaryFile()
        command = ["systemd-nspawn", "-D", str(tree), "--volatile=overlay", "--register=no", "--keep-unit"]
        command += ["--console=pipe", "--private-network", f"--machine=edge-all-{os.getpid()}"]
        command += [f"--bind-ro={here}:{there}" for here, there in self._binds.items()]
        self._process = subprocess.Popen([*command, "-b"], stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        end = time.monotonic() + _BOOTS_WITHIN_S
        while time.monotonic() < end:
            found = subprocess.run(["pgrep", "-P", str(self._process.pid)], capture_output=True, text=True, check=False)
            if found.stdout.strip():
                self._leader = int(found.stdout.split()[0])
                if self.run("systemctl", "is-system-running").strip() in ("running", "degraded"):
                    return self
            if self._process.poll() is not None:
                break
            time.sleep(0.5)
        console.seek(0)
        self.__exit__()
        raise RuntimeError(f"the container does not boot: {console.read().decode(errors='replace')[-2000:]}")

    def __exit__(self, *_: object) -> None:
        if self._process is None:
            return
        if self._leader:
            os.kill(self._leader, signal.SIGRTMIN + 4)  # power off
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def call(self, *command: str, timeout_s: float = 3600) -> subprocess.CompletedProcess[str]:
        """A command inside, as root; stdout and stderr together."""
        into = ["nsenter", "-t", str(self._leader), "-m", "-u", "-i", "-n", "-p"]
        clean = ["env", "-i", f"PATH={_PATH}", "HOME=/root", "LANG=C.UTF-8"]
        return subprocess.run(
            [*into, *clean, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def run(self, *command: str) -> str:
        """Run a command and return its output."""
        return self.call(*command).stdout

    def shell(self, script: str) -> str:
        """Run a line of sh and return its output."""
        return self.run("sh", "-c", script)

    def write(self, path: str, text: str) -> None:
        """A file inside."""
        self.call("mkdir", "-p", str(Path(path).parent))
        subprocess.run(
            ["nsenter", "-t", str(self._leader), "-m", "tee", path],
            input=text,
            text=True,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def property(self, name: str, unit: str = "edge-all.service") -> str:
        """One of systemd's, of a unit."""
        return self.run("systemctl", "show", "-p", name, "--value", unit).strip()

    def wait_for(self, seen: object, seconds: float = 600) -> bool:
        """seen: called until it is true; False when it does not become so in time, which only a fault takes."""
        assert callable(seen)
        end = time.monotonic() + seconds
        while not seen():
            if time.monotonic() > end:
                return False
            time.sleep(0.5)
        return True
