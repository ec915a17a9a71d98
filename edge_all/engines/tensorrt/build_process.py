"""The process that builds: reads a request as JSON from standard input, tells its progress on standard output, a JSON
line each, and writes the plan to a file.

    python -m edge_all.engines.tensorrt.build_process
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from edge_all.engines.tensorrt.api import load_api
from edge_all.engines.tensorrt.build import BuildRequest, build_plan
from edge_all.engines.tensorrt.shapes import InputShapes
from edge_all.errors import EdgeAllError

_SET_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG (linux/prctl.h)."""


def request_to_json(request: BuildRequest, plan: Path, module: str) -> dict[str, Any]:
    """As main() reads it. plan: where to write. module: which TensorRT."""
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
    """0: the plan is written; 1: it is not, and the last line says why."""
    asked = json.load(sys.stdin)
    # TensorRT's libraries print to standard output on their own.
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def tell(**what: Any) -> None:
        print(json.dumps(what), file=out)

    _die_with(asked["parent"])
    _be_the_first_to_go()
    capability = asked["capability"]
    request = BuildRequest(
        Path(asked["model"]),
        asked["precision"],
        InputShapes(*(tuple(shape) for shape in asked["shapes"])),
        asked["memory_mib"],
        Path(asked["timings"]) if asked["timings"] else None,
        (capability[0], capability[1]) if capability else None,
    )
    try:
        plan = build_plan(load_api(asked["module"]), request, lambda line: tell(progress=line))
        Path(asked["plan"]).write_bytes(plan)
    except EdgeAllError as error:
        tell(error=type(error).__name__, message=error.message, remedy=error.remedy)
        return 1
    except MemoryError:
        tell(
            error="EngineUnavailableError",
            message="memory ran out while TensorRT built",
            remedy="set build_memory_mib in the profile, close other programs, or add swap",
        )
        return 1
    except OSError as error:
        tell(
            error="EngineUnavailableError",
            message=f"the engine could not be written or the model not read ({error.strerror}: {error.filename})",
            remedy="make room and give this user the right to write there",
        )
        return 1
    return 0


def _die_with(parent: int) -> None:
    """A build whose program is gone serves nobody."""
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it went before we asked
        os.kill(os.getpid(), signal.SIGKILL)


def _be_the_first_to_go() -> None:
    """When memory runs out the kernel takes the build, not the session."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    sys.exit(main())
