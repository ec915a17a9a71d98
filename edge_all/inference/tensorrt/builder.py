"""Build of a plan in a separate process, with one-line errors for its failures."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

from edge_all.errors import EngineUnavailableError, ModelError
from edge_all.inference.tensorrt.build import BuildRequest
from edge_all.inference.tensorrt.build_process import request_to_json

_log = logging.getLogger(__name__)
_PROCESS = (sys.executable, "-m", "edge_all.inference.tensorrt.build_process")
_MEMORY_REMEDY = "set or lower build_memory_mib in the profile, close other programs, or add swap"


def build_in_process(
    request: BuildRequest,
    plan: Path,
    module: str,
    process: tuple[str, ...] = _PROCESS,
) -> bytes:
    """Build a plan in a separate process, whose crash does not affect this one.

    Its progress is logged here, in the calling thread.

    Args:
        request: The parameters of the build.
        plan: File for the plan, which is left in place.
        module: The TensorRT module to use.
        process: Command of the build process.

    Returns:
        The plan.

    Raises:
        ModelError: when TensorRT rejects the model.
        EngineUnavailableError: when the build fails or the process dies.
    """
    last: dict[str, Any] = {}
    with tempfile.TemporaryFile() as errors:
        # A separate process session, so that Ctrl-C at the terminal reaches only this program, which ends the build.
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
                pass  # it died first; its exit status shows why
            for line in child.stdout:
                try:
                    message = json.loads(line)
                except ValueError:
                    continue
                last = message if isinstance(message, dict) else {}
                if "progress" in last:
                    _log.info("%s", last["progress"])
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
            f"TensorRT's builder wrote no engine ({error.strerror})", "free up space on that disk"
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
                f"{what} was killed ({name}), probably by the kernel for lack of memory", _MEMORY_REMEDY
            )
        return EngineUnavailableError(
            f"{what} crashed ({name})", "use another --precision, or --engine onnxruntime-cuda"
        )
    return EngineUnavailableError(
        f"{what} failed with status {status} ({stderr or 'no output'})",
        "run 'edge-all engine build' to reproduce it, or choose another --engine",
    )


def _last_line(errors: IO[bytes]) -> str:
    errors.seek(0)
    lines = errors.read()[-4000:].decode(errors="replace").split("\n")
    return next((" ".join(line.split())[:300] for line in reversed(lines) if line.strip()), "")
