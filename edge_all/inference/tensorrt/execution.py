"""Executable plan: TensorRT's runtime, engine and execution context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edge_all.errors import EngineError, ModelError
from edge_all.inference.tensorrt.api import Api

Shape = tuple[int, ...]
_OUT_OF_MEMORY = ("out of memory", "outofmemory", "cudaerrormemoryallocation")


class PlanRefusedError(Exception):
    """TensorRT rejects this plan; another one must be built."""


class Execution:
    """Execution of one plan. Create, use and close it with the GPU context current, from one thread at a time."""

    def __init__(self, api: Api, plan: bytes, outputs: Sequence[str]) -> None:
        """Load a plan. ``outputs`` lists the output names in the requested order.

        Raises:
            PlanRefusedError: when TensorRT rejects the plan.
            EngineError: when the execution context cannot be created, for example without memory.
            ModelError: when an output is missing.
        """
        self._api, self._log = api, api.log()
        self._runtime: Any = api.module.Runtime(self._log)
        self._engine: Any = self._runtime.deserialize_cuda_engine(plan)
        self._context: Any = None
        if self._engine is None:
            raise PlanRefusedError("; ".join(self._log.errors)[:300])
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise self._error("could not be prepared")
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        is_input = api.module.TensorIOMode.INPUT
        self._input = next(n for n in names if self._engine.get_tensor_mode(n) == is_input)
        missing = [n for n in outputs if n not in names]
        if missing:
            raise ModelError(f"the model lacks the output {missing[0]} named in its contract", "export it again")
        self._dtypes = {n: api.numpy_dtype(self._engine.get_tensor_dtype(n)) for n in outputs}
        self._shape: Shape | None = None
        self._shapes: dict[str, tuple[Shape, np.dtype[Any]]] = {}

    @property
    def fixed_batch(self) -> int | None:
        """The only batch size that the model accepts, if it was exported with one; else None."""
        size = int(self._engine.get_tensor_shape(self._input)[0])
        return None if size == -1 else size

    def output_shapes(self, shape: Shape) -> Mapping[str, tuple[Shape, np.dtype[Any]]]:
        """Return the shape and dtype of each output for an input of this shape.

        Raises:
            EngineError: when the engine does not accept the shape.
        """
        if shape != self._shape:
            if not self._context.set_input_shape(self._input, shape):
                raise self._error(f"does not accept a batch of {' x '.join(map(str, shape))}")
            self._shape = shape
            self._shapes = {
                name: (tuple(int(n) for n in self._context.get_tensor_shape(name)), dtype)
                for name, dtype in self._dtypes.items()
            }
        return self._shapes

    def enqueue(self, shape: Shape, input_address: int, output_addresses: Mapping[str, int], stream: int) -> None:
        """Start one execution on a stream without waiting for it.

        Raises:
            EngineError: when the execution cannot be started.
        """
        self.output_shapes(shape)
        for name, address in ((self._input, input_address), *output_addresses.items()):
            if not self._context.set_tensor_address(name, address):
                raise self._error(f"does not accept the memory of {name}")
        if not self._context.execute_async_v3(stream):
            raise self._error("could not be started")

    def close(self) -> None:
        """Release context, engine and runtime in this order, as each needs the next. Repeated calls have no effect."""
        self._context = None
        self._engine = None
        self._runtime = None

    def _error(self, what: str) -> EngineError:
        reason = "; ".join(self._log.errors[-2:])[:300]
        self._log.errors.clear()
        if any(words in reason.lower() for words in _OUT_OF_MEMORY):
            return EngineError(
                f"the GPU ran out of memory: the {self._api.name} engine {what}",
                "close other programs on the GPU, lower max_batch in the profile, or use --engine onnxruntime-cpu",
            )
        return EngineError(
            f"the {self._api.name} engine {what} ({reason or 'no reason given'})",
            "clear the engines ('edge-all engine clear') and start again, or choose another --engine",
        )
