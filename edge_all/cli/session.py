"""Command 'edge-all session': control the service of this device."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from edge_all.cli.options.common import plain

_WAITS_S = 30.0
_ASKS_EVERY_S = 0.1
_instance = click.option("--instance", metavar="NAME", help="Instance of another microscope: edge-all@NAME.service.")


@click.group("session")
def command() -> None:
    """Start, stop and inspect the session of this device's service.

    \b
    Example:
      edge-all session start S1234
      edge-all session status
      edge-all session stop
    """


@command.command("start")
@click.argument("sample", required=False)
@click.option("--operator", metavar="NAME", help="Name of the operator, stored in the record and shown in reports.")
@_instance
def start(sample: str | None, operator: str | None, instance: str | None) -> int:
    """Start a session on SAMPLE. A running session is ended first.

    \b
    Example:
      edge-all session start S1234
    """
    before = _ask(instance, "status")["session_id"]
    _ask(instance, "start", sample, operator)
    return _wait(instance, lambda s: s["phase"] in ("running", "paused") and s["session_id"] not in (before, None))


@command.command("stop")
@_instance
def stop(instance: str | None) -> int:
    """End the session.

    \b
    Example:
      edge-all session stop
    """
    _ask(instance, "stop")
    return _wait(instance, lambda s: s["phase"] == "idle")


@command.command("pause")
@_instance
def pause(instance: str | None) -> int:
    """Pause the analysis until 'resume'. The session stays open.

    \b
    Example:
      edge-all session pause
    """
    _ask(instance, "pause")
    return _wait(instance, lambda s: s["phase"] == "paused")


@command.command("resume")
@_instance
def resume(instance: str | None) -> int:
    """Resume the analysis after 'pause'.

    \b
    Example:
      edge-all session resume
    """
    _ask(instance, "resume")
    return _wait(instance, lambda s: s["phase"] == "running")


@command.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@_instance
def status(as_json: bool, instance: str | None) -> int:
    """Show the service's state and its problems. Exits with 1 when there is a problem.

    \b
    Example:
      edge-all session status --json
    """
    state = _ask(instance, "status")
    click.echo(json.dumps(state) if as_json else _words(state))
    return 1 if state["problems"] or state["error"] else 0


def _ask(instance: str | None, asked: str, sample: str | None = None, operator: str | None = None) -> dict[str, Any]:
    from edge_all.service.control import ask, control_socket

    state: dict[str, Any] = ask(control_socket(instance), {"command": asked, "sample": sample, "operator": operator})[
        "state"
    ]
    return state


def _wait(instance: str | None, done: Any) -> int:
    from edge_all.errors import EdgeAllError

    end = time.monotonic() + _WAITS_S
    while time.monotonic() < end:
        state = _ask(instance, "status")
        if done(state):
            click.echo(_words(state))
            return 0
        if state["phase"] == "idle" and state["error"]:
            raise EdgeAllError(plain(state["error"]), "run 'edge-all session status' for details")
        time.sleep(_ASKS_EVERY_S)
    raise EdgeAllError(f"not finished after {_WAITS_S:.0f} s", "check the progress with 'edge-all session status'")


def _words(state: dict[str, Any]) -> str:
    lines = [plain(state["phase"]) + (f", session {state['session_id']}" if state["session_id"] else "")]
    if state["sample"]:
        lines.append(f"sample {plain(state['sample'])}")
    lines += [f"problem: {plain(p)}" for p in state["problems"]]
    if state["error"]:
        lines.append(f"last session: {plain(state['error'])}")
    return "\n".join(lines)
