"""All checks, in the order of the table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from edge_all.errors import EdgeAllError, UsageError
from edge_all.profile import profile_of
from edge_all.service.control import ask, control_socket
from edge_all.service.doctor import cameras, machine, program
from edge_all.service.doctor.result import Finding, absent, bad, good, warning

_JETSONS = "jetson-"
NAMES = (
    "program", "board", "settings", "models", "driver", "tensorrt", "pycuda", "camera", "camera rights", "record",
    "disk", "clock", "power mode", "temperature", "service",
)  # fmt: skip


def looks(
    profile: str | None, models: Path | None, record: Path, only: Iterable[str] = ()
) -> Iterator[tuple[str, Finding]]:
    """Yield the name and the finding of each check as soon as it is done.

    Raises:
        UsageError: when ``only`` contains an unknown name.
    """
    from firmware_config.resolving import resolve_what_can_be

    wanted = tuple(only) or NAMES
    for name in wanted:
        if name not in NAMES:
            raise UsageError(f"unknown check '{name}'", f"choose from {', '.join(NAMES)}")
    resolved, problems = resolve_what_can_be(profile)
    settings = resolved.settings
    jetson = settings.device.kind.startswith(_JETSONS)
    needs_gpu = jetson or settings.device.kind == "gpu-workstation" or settings.engine.name == "tensorrt"
    state = _service_state()
    checks: dict[str, Callable[[], Finding]] = {
        "program": program.program,
        "board": machine.board,
        "settings": lambda: program.settings(resolved.name, problems),
        "models": lambda: program.models(models, profile_of(resolved.name, settings)),
        "driver": lambda: machine.driver(needs_gpu),
        "tensorrt": lambda: machine.tensorrt(needs_gpu),
        "pycuda": lambda: machine.pycuda(needs_gpu),
        "camera": lambda: cameras.camera(settings.camera.uri, state is not None),
        "camera rights": cameras.rights,
        "record": lambda: program.record(record),
        "disk": lambda: program.disk(record),
        "clock": machine.clock,
        "power mode": lambda: machine.power_mode(settings.device.power_mode),
        "temperature": machine.temperature,
        "service": lambda: _service(state),
    }
    for name in wanted:
        try:
            yield name, checks[name]()
        except Exception as error:  # a failing check must not hide the others
            first = (str(error).splitlines() or [""])[0]
            yield name, bad(f"the check failed ({type(error).__name__}: {first})", "report this error")


def _service_state() -> dict[str, object] | None:
    try:
        state: dict[str, object] = ask(control_socket(), {"command": "status"})["state"]
    except EdgeAllError:
        return None
    return state


def _service(state: dict[str, object] | None) -> Finding:
    if state is None:
        return absent("not running")
    problems = [str(p) for p in state["problems"]] if isinstance(state["problems"], list) else []
    if problems:
        return warning(
            f"{state['phase']}; {'; '.join(problems)}",
            "fix the problem; the service recovers by itself or after a reload",
        )
    return good(str(state["phase"]))
