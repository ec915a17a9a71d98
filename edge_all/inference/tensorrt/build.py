"""Build of a plan from a model file.

It runs in a separate process (build_process.py), because TensorRT may crash or be killed for its memory use.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from edge_all.errors import EngineUnavailableError, ModelError
from edge_all.inference.tensorrt.api import Api
from edge_all.inference.tensorrt.checked_file import DamagedFileError, read_checked, write_checked
from edge_all.inference.tensorrt.shapes import InputShapes

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BuildRequest:
    """Parameters of a build."""

    model: Path
    precision: str
    shapes: InputShapes
    memory_mib: int | None = None
    timings: Path | None = None
    """File of the timing cache, read before the build and written after it."""
    capability: tuple[int, int] | None = None
    """Compute capability to build for (TensorRT-RTX only); None for this machine's GPU."""


def build_plan(api: Api, request: BuildRequest) -> bytes:
    """Build and return a plan. Progress is logged.

    Raises:
        ModelError: when TensorRT rejects the model.
        EngineUnavailableError: when TensorRT does not start or cannot run the model here.
    """
    trt, log = api.module, api.log()
    try:
        builder = trt.Builder(log)
    except (RuntimeError, TypeError) as error:
        raise EngineUnavailableError(
            f"{api.name} does not start ({_reasons(log.errors) or error})",
            "check that the driver is new enough for this TensorRT (nvidia-smi; on a Jetson, the JetPack version)",
        ) from error
    network = api.network(builder)
    parser = trt.OnnxParser(network, log)
    if not parser.parse(request.model.read_bytes()):
        errors = [parser.get_error(i).desc() for i in range(parser.num_errors)]
        raise ModelError(
            f"{api.name} rejects {request.model} ({_reasons(errors)})",
            "use the int8-trt.onnx, fp16.onnx or float.onnx of one export, or choose another --precision",
        )
    config = api.configuration(builder, request.precision, request.memory_mib, request.capability)
    api.add_profile(builder, config, network.get_input(0), request.shapes)
    if request.timings is not None:
        api.use_timing_cache(config, _read_timings(request.timings))
    phases = _Phases()
    monitor = api.watch(config, phases.step)
    _log.info("%s is building %s for %s, once for this machine", api.name, request.precision, request.model.parent.name)
    started = time.monotonic()
    plan = api.build(builder, network, config)
    del monitor
    if plan is None:
        limit = f" within {request.memory_mib} MiB" if request.memory_mib is not None else ""
        raise EngineUnavailableError(
            f"{api.name} cannot run {request.model}{limit} ({_reasons(log.errors)})",
            "check the driver (nvidia-smi), raise build_memory_mib in the profile, or choose another --precision",
        )
    if request.timings is not None and (timings := api.timing_cache(config)):
        _write_timings(request.timings, timings)
    _log.info("built in %.1f s, %.1f MB", time.monotonic() - started, len(plan) / 1e6)
    return plan


class _Phases:
    """Progress of the builder's phases, reported at most once per second."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def step(self, phase: str, step: int, steps: int) -> None:
        if time.monotonic() - self._last >= 1.0:
            self._last = time.monotonic()
            _log.info("%s", f"{phase}, step {step} of {steps}" if steps else phase)


def _reasons(lines: list[str]) -> str:
    return " ".join("; ".join(lines).split())[:400]


def _read_timings(path: Path) -> bytes:
    try:
        return read_checked(path).payload
    except (OSError, DamagedFileError):
        return b""


def _write_timings(path: Path, data: bytes) -> None:
    try:
        write_checked(path, {"timings": True}, data)
    except OSError:
        return  # a build without timings is only slower
