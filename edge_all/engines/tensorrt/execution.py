"""A plan made ready to run: TensorRT's runtime, engine and execution context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edge_all.engines.tensorrt.api import Api
from edge_all.errors import EngineError, ModelError

Shape = tuple[int, ...]
_OUT_OF_MEMORY = ("out of memory", "outofmemory", "cudaerrormemoryallocation")


class PlanRefusedError(Exception):
    """TensorRT does not take this plan; another one must be built."""


class Execution:
    """Made, used and closed with the context current. One thread at a time."""

    def __init__(self, api: Api, plan: bytes, outputs: Sequence[str]) -> None:
        """outputs: names, in the order wanted. Raises PlanRefusedError, EngineError (no memory), ModelError (an output
        is missing)."""
        self._api, self._log = api, api.log()
        self._runtime: Any = api.module.Runtime(self._log)
        self._engine: Any = self._runtime.deserialize_cuda_engine(plan)
        self._context: Any = None
        if self._engine is None:
            raise PlanRefusedError("; ".join(self._log.errors)[:300])
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise self._error("could not be made ready")
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        is_input = api.module.TensorIOMode.INPUT
        self._input = next(n for n in names if self._engine.get_tensor_mode(n) == is_input)
        missing = [n for n in outputs if n not in names]
        if missing:
            raise ModelError(f"the model lacks the output {missing[0]} that its contract names", "export it again")
        self._dtypes = {n: api.numpy_dtype(self._engine.get_tensor_dtype(n)) for n in outputs}
        self._shape: Shape | None = None
        self._shapes: dict[str, tuple[Shape, np.dtype[Any]]] = {}

    @property
    def fixed_batch(self) -> int | None:
        """The only batch that the model takes, where it was exported with one."""
        size = int(self._engine.get_tensor_shape(self._input)[0])
        return None if size == -1 else size

    def output_shapes(self, shape: Shape) -> Mapping[str, tuple[Shape, np.dtype[Any]]]:
        """Shape and dtype of each output for an input of this shape. Raises EngineError."""
        if shape != self._shape:
            if not self._context.set_input_shape(self._input, shape):
                raise self._error(f"does not take a batch of {' x '.join(map(str, shape))}")
            self._shape = shape
            self._shapes = {
                name: (tuple(int(n) for n in self._context.get_tensor_shape(name)), dtype)
                for name, dtype in self._dtypes.items()
            }
        return self._shapes

    def enqueue(self, shape: Shape, input_address: int, output_addresses: Mapping[str, int], stream: int) -> None:
        """Without waiting. Raises EngineError."""
        self.output_shapes(shape)
        for name, address in ((self._input, input_address), *output_addresses.items()):
            if not self._context.set_tensor_address(name, address):
                raise self._error(f"does not take the memory of {name}")
        if not self._context.execute_async_v3(stream):
            raise self._error("could not be started")

    def close(self) -> None:
        """Context, engine, runtime: each needs the next. Harmless when called twice."""
        self._context = None
        self._engine = None
        self._runtime = None

    def _error(self, what: str) -> EngineError:
        said = "; ".join(self._log.errors[-2:])[:300]
        self._log.errors.clear()
        if any(words in said.lower() for words in _OUT_OF_MEMORY):
            return EngineError(
                f"the GPU ran out of memory: {self._api.name}'s engine {what}",
                "close what else uses the GPU, lower max_batch in the profile, or take --engine onnxruntime-cpu",
            )
        return EngineError(
            f"{self._api.name}'s engine {what} ({said or 'it gave no reason'})",
            "clear the engines ('edge-all engine clear') and start again, or name another --engine",
        )
