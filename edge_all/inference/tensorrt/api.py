"""TensorRT's Python API, with all differences between 8.6, 10, 11 and TensorRT-RTX.

| | 8.6 | 10 | 11 | RTX |
|---|---|---|---|---|
| precision | flags FP16, INT8 | strongly typed, by flag | strongly typed, always | strongly typed, by flag |
| explicit batch | by flag | always | always | always |
| progress monitor | no | yes | yes | yes |
| GPU built for | this one | this one | this one | named, or this one |

Sources: NVIDIA's migration guides from 8.x to 10.x and from 10.x to 11.x, and the Python API of TensorRT-RTX.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_all.errors import EngineUnavailableError
from edge_all.inference.tensorrt.availability import installed_module
from edge_all.inference.tensorrt.shapes import InputShapes

_DTYPES = {
    "FLOAT": np.float32,
    "HALF": np.float16,
    "INT8": np.int8,
    "INT32": np.int32,
    "INT64": np.int64,
    "UINT8": np.uint8,
    "BOOL": np.bool_,
}
_FLAGS = {"int8": ("FP16", "INT8"), "fp16": ("FP16",), "fp32": ()}
"""Builder flags of a TensorRT that is not strongly typed. INT8 includes FP16, so that unquantized layers stay FP16."""


@dataclass(frozen=True)
class Api:
    """API of one installed TensorRT."""

    module: Any

    @property
    def version(self) -> str:
        """Full version, for example "10.3.0.30"."""
        return str(self.module.__version__)

    @property
    def flavour(self) -> str:
        """Edition: "tensorrt" or "tensorrt-rtx"."""
        return str(self.module.__name__).partition(".")[0].replace("_", "-")

    @property
    def name(self) -> str:
        """Edition and short version, for example "tensorrt-10.3"."""
        return f"{self.flavour}-{'.'.join(self.version.split('.')[:2])}"

    @property
    def is_rtx(self) -> bool:
        """True for TensorRT-RTX, which compiles kernels when it loads an engine and can build for an absent GPU."""
        return self.flavour == "tensorrt-rtx"

    @property
    def strongly_typed(self) -> bool:
        """True if precisions come from the model file alone."""
        return self._has_flag("STRONGLY_TYPED") or self._major >= 11

    @property
    def _major(self) -> int:
        return 99 if self.is_rtx else int(self.version.split(".")[0])

    def _has_flag(self, name: str) -> bool:
        return getattr(self.module.NetworkDefinitionCreationFlag, name, None) is not None

    def log(self) -> Any:
        """Return a logger for TensorRT that collects errors in ``errors`` (a list of str) and prints nothing."""
        levels: Any = self.module.ILogger

        class Log(levels):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.errors: list[str] = []

            def log(self, severity: Any, message: str) -> None:
                if severity in (levels.ERROR, levels.INTERNAL_ERROR):
                    self.errors.append(" ".join(message.split()))

        return Log()

    def network(self, builder: Any) -> Any:
        """Return an empty network with the flags required by this version."""
        wanted = ["EXPLICIT_BATCH"] if self._major < 10 else []
        if self._has_flag("STRONGLY_TYPED"):
            wanted.append("STRONGLY_TYPED")
        flags = self.module.NetworkDefinitionCreationFlag
        return builder.create_network(sum(1 << int(getattr(flags, name)) for name in wanted))

    def configuration(
        self, builder: Any, precision: str, memory_mib: int | None, capability: tuple[int, int] | None
    ) -> Any:
        """Return a builder configuration.

        Args:
            builder: TensorRT's builder.
            precision: "int8", "fp16" or "fp32".
            memory_mib: GPU memory limit in MiB for timing and running kernels; None for TensorRT's default.
            capability: Compute capability to build for; None for this machine's.

        Raises:
            EngineUnavailableError: when this TensorRT cannot build for the compute capability.
        """
        trt = self.module
        config = builder.create_builder_config()
        if not self.strongly_typed:
            for name in _FLAGS[precision]:
                config.set_flag(getattr(trt.BuilderFlag, name))
        if memory_mib is not None:
            for pool in ("WORKSPACE", "TACTIC_DRAM"):
                kind = getattr(trt.MemoryPoolType, pool, None)
                if kind is not None:
                    config.set_memory_pool_limit(kind, memory_mib << 20)
        if self.is_rtx:
            config.num_compute_capabilities = 1
            config.set_compute_capability(self._compute_capability(capability), 0)
        elif capability is not None:
            raise EngineUnavailableError(
                f"{self.name} can only build for the GPU it runs on", "build on the device itself"
            )
        return config

    def _compute_capability(self, capability: tuple[int, int] | None) -> Any:
        known = self.module.ComputeCapability
        name = "CURRENT" if capability is None else f"SM{capability[0]}{capability[1]}"
        found = getattr(known, name, None)
        if found is None:
            raise EngineUnavailableError(f"{self.name} cannot build for {name}", "use NVIDIA's tensorrt instead")
        return found

    def add_profile(self, builder: Any, config: Any, image: Any, shapes: InputShapes) -> InputShapes:
        """Set the input sizes that the model leaves open and return the resulting shapes. Fixed sizes are unchanged."""
        fixed = tuple(image.shape)
        taken = InputShapes(
            *(
                tuple(wanted if size == -1 else size for size, wanted in zip(fixed, shape, strict=True))
                for shape in (shapes.least, shapes.usual, shapes.largest)
            )
        )
        if -1 in fixed:
            profile = builder.create_optimization_profile()
            profile.set_shape(image.name, taken.least, taken.usual, taken.largest)
            config.add_optimization_profile(profile)
        return taken

    def use_timing_cache(self, config: Any, data: bytes) -> None:
        """Use the timings of earlier builds; ignore a cache from another machine."""
        cache = config.create_timing_cache(data) or config.create_timing_cache(b"")
        if cache is not None and not config.set_timing_cache(cache, False):
            config.set_timing_cache(config.create_timing_cache(b""), False)

    def timing_cache(self, config: Any) -> bytes:
        """Return the timings of a build for the next one, or b"" without any."""
        cache = config.get_timing_cache()
        return b"" if cache is None else bytes(memoryview(cache.serialize()))

    def watch(self, config: Any, on_phase: Callable[[str, int, int], None]) -> Any:
        """Report the name, step and number of steps of each phase of a build.

        Returns:
            The monitor, which must outlive the build; None if this version has no progress monitor.
        """
        base: Any = getattr(self.module, "IProgressMonitor", None)
        if base is None or not hasattr(config, "progress_monitor"):
            return None

        class Monitor(base):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.steps: dict[str, int] = {}

            def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:  # noqa: ARG002
                self.steps[phase_name] = num_steps
                on_phase(phase_name, 0, num_steps)

            def step_complete(self, phase_name: str, step: int) -> bool:
                on_phase(phase_name, step + 1, self.steps.get(phase_name, 0))
                return True

            def phase_finish(self, phase_name: str) -> None:
                self.steps.pop(phase_name, None)

        monitor = Monitor()
        config.progress_monitor = monitor
        return monitor

    def build(self, builder: Any, network: Any, config: Any) -> bytes | None:
        """Build and return the plan, or None if TensorRT fails."""
        plan = builder.build_serialized_network(network, config)
        return None if plan is None else bytes(memoryview(plan))

    def numpy_dtype(self, dtype: Any) -> np.dtype[Any]:
        """Convert TensorRT's dtype to numpy's; trt.nptype of 8.6 uses names that numpy has removed."""
        return np.dtype(_DTYPES[dtype.name])


def load_api(module: str | None = None) -> Api:
    """Import the installed TensorRT, or the given module ("tensorrt" or "tensorrt_rtx").

    Raises:
        EngineUnavailableError: when it cannot be imported.
    """
    name = module or installed_module() or "tensorrt"
    try:
        return Api(importlib.import_module(name))
    except ImportError as error:
        raise EngineUnavailableError(
            f"TensorRT cannot be loaded ({error})",
            "install it again, including its libraries (on a Jetson: apt install --reinstall python3-libnvinfer)",
        ) from error
