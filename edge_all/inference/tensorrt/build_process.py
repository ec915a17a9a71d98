"""Build process: reads a request as JSON from standard input and writes the plan to a file.

It reports its progress on standard output, one JSON line per message.

    python -m edge_all.inference.tensorrt.build_process
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge_all.errors import EdgeAllError
from edge_all.inference.tensorrt.api import load_api
from edge_all.inference.tensorrt.build import BuildRequest, build_plan
from edge_all.inference.tensorrt.shapes import InputShapes

_SET_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG (linux/prctl.h)."""


def request_to_json(request: BuildRequest, plan: Path, module: str) -> dict[str, Any]:
    """Return the request as read by main().

    ``plan`` is the output file; ``module`` is the TensorRT module to use.
    """
    shapes = request.shapes
    return {
        "model": str(request.model),
        "precision": request.precision,
        "shapes": [shapes.least, shapes.usual, shapes.largest],
        "memory_mib": request.memory_mib,
        "timings": None if request.timings is None else str(request.timings),
        "capability": request.capability,
        "plan": str(plan),
        "module": module,
        "parent": os.getpid(),
    }


def main() -> int:
    """Build a plan. Return 0 when it is written, or 1 after a last line with the error."""
    job = json.load(sys.stdin)
    # TensorRT's libraries print to standard output on their own.
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def report(**message: Any) -> None:
        print(json.dumps(message), file=out)

    # The parent process logs each line again, for its own handlers.
    ours = logging.getLogger("edge_all")
    ours.addHandler(_Progress(report))
    ours.setLevel(logging.INFO)
    _die_with(job["parent"])
    _prefer_for_oom_kill()
    capability = job["capability"]
    request = BuildRequest(
        Path(job["model"]),
        job["precision"],
        InputShapes(*(tuple(shape) for shape in job["shapes"])),
        job["memory_mib"],
        Path(job["timings"]) if job["timings"] else None,
        (capability[0], capability[1]) if capability else None,
    )
    try:
        plan = build_plan(load_api(job["module"]), request)
        Path(job["plan"]).write_bytes(plan)
    except EdgeAllError as error:
        report(error=type(error).__name__, message=error.message, remedy=error.remedy)
        return 1
    except MemoryError:
        report(
            error="EngineUnavailableError",
            message="out of memory while TensorRT was building an engine",
            remedy="set build_memory_mib in the profile, close other programs, or add swap",
        )
        return 1
    except OSError as error:
        report(
            error="EngineUnavailableError",
            message=f"cannot write the engine or read the model ({error.strerror}: {error.filename})",
            remedy="free up space, and give this user permission to write there",
        )
        return 1
    return 0


class _Progress(logging.Handler):
    """Handler that reports each log record as a line of progress."""

    def __init__(self, report: Callable[..., None]) -> None:
        super().__init__()
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        self._report(progress=record.getMessage())


def _die_with(parent: int) -> None:
    """End this process when its parent ends, because its result would no longer be used."""
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # the parent ended before the call
        os.kill(os.getpid(), signal.SIGKILL)


def _prefer_for_oom_kill() -> None:
    """Make the kernel end this build rather than the session when memory runs out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    sys.exit(main())
