"""Has a plan built in a process of its own, and says in one line why there is none."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from edge_all.engines.tensorrt.build import BuildRequest
from edge_all.engines.tensorrt.build_process import request_to_json
from edge_all.errors import EngineUnavailableError, ModelError

_PROCESS = (sys.executable, "-m", "edge_all.engines.tensorrt.build_process")
_MEMORY_REMEDY = "set or lower build_memory_mib in the profile, close other programs, or add swap"


def build_in_process(
    request: BuildRequest,
    plan: Path,
    module: str,
    say: Callable[[str], None],
    process: tuple[str, ...] = _PROCESS,
) -> bytes:
    """The plan, which is also left in the file ``plan``. module: which TensorRT. say: told of the progress. Raises
    ModelError, EngineUnavailableError; whatever happens to that process, this one goes on."""
    last: dict[str, Any] = {}
    with tempfile.TemporaryFile() as errors:
        # A session of its own: Ctrl-C at the terminal ends the program cleanly, and that ends the build.
        child = subprocess.Popen(
            process,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        try:
            assert child.stdin is not None
            assert child.stdout is not None
            try:
                with child.stdin:
                    json.dump(request_to_json(request, plan, module), child.stdin)
            except BrokenPipeError:
                pass  # it died first; its exit status tells more
            for line in child.stdout:
                try:
                    said = json.loads(line)
                except ValueError:
                    continue
                last = said if isinstance(said, dict) else {}
                if "progress" in last:
                    say(str(last["progress"]))
            status = child.wait()
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
            if child.stdout is not None:
                child.stdout.close()
        if status != 0:
            raise _failure(status, last, request, _last_line(errors))
    try:
        return plan.read_bytes()
    except OSError as error:
        raise EngineUnavailableError(
            f"TensorRT's builder wrote no engine ({error.strerror})", "make room on that disk"
        ) from error


def _failure(
    status: int, last: dict[str, Any], request: BuildRequest, stderr: str
) -> EngineUnavailableError | ModelError:
    if "error" in last:
        kind = ModelError if last["error"] == "ModelError" else EngineUnavailableError
        return kind(last["message"], last["remedy"])
    what = f"TensorRT's builder for {request.model}"
    if status < 0:
        name = signal.Signals(-status).name
        if -status == signal.SIGKILL:
            return EngineUnavailableError(
                f"{what} was killed ({name}), as the kernel does where memory runs out", _MEMORY_REMEDY
            )
        return EngineUnavailableError(
            f"{what} crashed ({name})", "take another --precision, or --engine onnxruntime-cuda"
        )
    return EngineUnavailableError(
        f"{what} failed with status {status} ({stderr or 'it said nothing'})",
        "run 'edge-all engine build' to see it again, or name another --engine",
    )


def _last_line(errors: IO[bytes]) -> str:
    errors.seek(0)
    lines = errors.read()[-4000:].decode(errors="replace").split("\n")
    return next((" ".join(line.split())[:300] for line in reversed(lines) if line.strip()), "")
