"""Control socket of the service, for other programs on this device: start, stop, pause, resume and status.

The protocol is one JSON line in each direction.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import socketserver
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from edge_all.errors import EdgeAllError, UsageError
from edge_all.files.state_dir import state_folder
from edge_all.session.commands import Command, Pause, Resume, Start, Stop
from edge_all.session.operator import Operator
from edge_all.session.station import Station

_LONGEST = 4096
_ANSWER_S = 5.0
_END_SEEN_S = 0.2
_SYSTEM = Path("/run/edge-all")
_PLAIN: dict[str, type[Pause] | type[Resume] | type[Stop]] = {"stop": Stop, "pause": Pause, "resume": Resume}
_FITS = {"stop": ("running", "paused", "starting"), "pause": ("running",), "resume": ("paused",)}


def control_socket(instance: str | None = None) -> Path:
    """Return the path of the control socket.

    The folder is EDGE_ALL_RUNTIME or systemd's RUNTIME_DIRECTORY, else that of the running system service, else the
    state directory. ``instance`` selects the service edge-all@INSTANCE.
    """
    named = os.environ.get("EDGE_ALL_RUNTIME") or os.environ.get("RUNTIME_DIRECTORY")
    if named and instance is None:
        return Path(named) / "control.sock"
    if instance is not None:
        return _SYSTEM.with_name(f"{_SYSTEM.name}-{instance}") / "control.sock"
    system = _SYSTEM / "control.sock"
    return system if system.exists() else state_folder() / "control.sock"


def ask(path: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """Send one request to a service and return its answer.

    Raises:
        EdgeAllError: when no service answers, or when it refuses the request.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(_ANSWER_S)
            line.connect(str(path))
            line.sendall(json.dumps(request).encode() + b"\n")
            with line.makefile("rb") as answers:
                received = answers.readline(1 << 16)
    except PermissionError as error:
        raise EdgeAllError(
            f"the service's socket {path}: permission denied",
            "join its group (sudo usermod -aG edge-all $USER) and log in again",
        ) from error
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise EdgeAllError(
            f"no service answers at {path}", "start it: sudo systemctl start edge-all, or edge-all service"
        ) from error
    except OSError as error:
        raise EdgeAllError(
            f"the service does not answer at {path} ({error.strerror or 'timed out'})", "see systemctl status edge-all"
        ) from error
    answer: dict[str, Any] = json.loads(received or b"{}")
    if not answer.get("ok"):
        raise EdgeAllError(
            str(answer.get("error", "the service exited before it answered")), str(answer.get("remedy", ""))
        )
    return answer


def _answers(path: Path) -> bool:
    try:
        ask(path, {"command": "status"})
    except EdgeAllError:
        return False
    return True


class ControlServer:
    """Server of the control socket. Within its context it answers in a separate thread."""

    def __init__(self, path: Path, station: Station, group_may: bool = True) -> None:
        """Bind the socket. ``group_may`` gives the socket's group the same access as its owner.

        Raises:
            UsageError: when another service answers at ``path``.
            EdgeAllError: when the socket cannot be created.
        """
        self._path = path
        if _answers(path):
            raise UsageError(f"another service is running at {path}", "stop that service first")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            self._server = _Server(str(path), _Handler)
            path.chmod(0o660 if group_may else 0o600)
        except OSError as error:
            raise EdgeAllError(
                f"cannot create a socket at {path} ({error.strerror or error})",
                "set EDGE_ALL_RUNTIME to another folder",
            ) from error
        self._server.station = station
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_END_SEEN_S,), name="control", daemon=True
        )

    def __enter__(self) -> ControlServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    station: Station


class _Handler(socketserver.StreamRequestHandler):
    timeout = _ANSWER_S

    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        with contextlib.suppress(OSError):
            answer = answer_to(self.rfile.readline(_LONGEST), self.server.station)
            self.wfile.write(json.dumps(answer).encode() + b"\n")


def answer_to(line: bytes, station: Station) -> dict[str, Any]:
    """Return the answer to one request line.

    The answer is ``{"ok": true, "state": ...}`` or ``{"ok": false, "error": ..., "remedy": ...}``.
    """
    try:
        request = json.loads(line)
        command, sample, name = (request["command"], request.get("sample"), request.get("operator"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return _refused("invalid request", 'send {"command": "status"} followed by a line feed')
    if not isinstance(command, str) or not all(t is None or isinstance(t, str) for t in (sample, name)):
        return _refused("invalid request: command, sample and operator must be strings")
    if command == "status":
        return {"ok": True, "state": asdict(station.state)}
    phase = station.state.phase
    if command not in (*_PLAIN, "start"):
        return _refused(f"unknown command '{command}'", "use start, stop, pause, resume or status")
    if command in _FITS and phase not in _FITS[command]:
        return _refused(f"not possible while the microscope is {phase}", "run 'edge-all session status' for details")
    if command == "start" and station.blocked:
        return _refused(station.blocked, "fix it, then run: sudo systemctl reload edge-all")
    try:
        asked: Command = (
            _PLAIN[command]() if command in _PLAIN else Start(sample, operator=None if name is None else Operator(name))
        )
    except UsageError as error:
        return _refused(error.message, error.remedy)
    if not station.commands.put(asked):
        return _refused("too many commands are waiting", "try again in a moment")
    return {"ok": True, "state": asdict(station.state)}


def _refused(error: str, remedy: str = "") -> dict[str, Any]:
    return {"ok": False, "error": error, "remedy": remedy}
