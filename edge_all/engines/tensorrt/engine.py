"""Runs a model file with TensorRT; its buffers are pycuda's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_all.engines.model_file import read_model_file
from edge_all.engines.tensorrt.api import Api, load_api
from edge_all.engines.tensorrt.availability import unavailable
from edge_all.engines.tensorrt.build import BuildRequest
from edge_all.engines.tensorrt.cache import EngineCache
from edge_all.engines.tensorrt.context import GpuContext
from edge_all.engines.tensorrt.execution import Execution, PlanRefusedError
from edge_all.engines.tensorrt.gpu import read_gpu
from edge_all.engines.tensorrt.key import engine_key
from edge_all.engines.tensorrt.pipeline import Pipeline
from edge_all.engines.tensorrt.plans import built, stored_or_built
from edge_all.engines.tensorrt.shapes import InputShapes, input_shapes
from edge_all.errors import EngineError, EngineUnavailableError
from edge_all.vocabulary import Image

Outputs = tuple[npt.NDArray[Any], ...]


class TensorRtEngine:
    """A model on the GPU. Callable from any thread; calls wait for each other."""

    def __init__(
        self,
        path: Path,
        task: str,
        *,
        precision: str,
        cache: EngineCache,
        max_batch: int = 32,
        build_memory_mib: int | None = None,
        on_progress: Callable[[str], None] | None = None,
    ) -> None:
        """Takes the engine from the cache or builds it, which takes minutes.

        task: "detector" or "classifier". precision: "int8", "fp16" or "fp32"; must be that of the file. on_progress:
        told in one line how far the build is. Raises EngineUnavailableError, ModelError, EngineError.
        """
        say = on_progress or (lambda _: None)
        file = read_model_file(path, task)
        if (missing := unavailable()) is not None:
            raise missing
        api, gpu = load_api(), read_gpu()
        self.contract, self.identity = file.contract, file.identity
        self.name = f"{api.name} {file.precision}"
        self._shapes = input_shapes(file.contract, max_batch)
        self._lock = threading.Lock()
        self._release = ExitStack()
        key = engine_key(file.identity.sha256, api.flavour, api.version, gpu, precision, self._shapes)
        wanted = (
            cache,
            key,
            BuildRequest(path, precision, self._shapes, build_memory_mib),
            str(api.module.__name__),
            f"{task} {file.contract.name} {file.contract.version}",
            say,
        )
        plan = stored_or_built(*wanted)
        try:
            self._open(api, plan, gpu.zero_copy)
        except PlanRefusedError as error:
            say(f"{api.name} does not take the stored engine ({error}); it is built again")
            try:
                self._open(api, built(*wanted, refused=plan), gpu.zero_copy)
            except PlanRefusedError as again:
                raise EngineUnavailableError(
                    f"{api.name} does not take the engine that it built ({again})", "name another --engine"
                ) from again

    def run(self, batch: Image) -> Outputs:
        """Outputs in the contract's order for uint8 N x H x W x 3, any N. Raises EngineError; after one of the GPU's
        everything is given back and the engine runs no more."""
        if len(batch) == 0:
            raise EngineError(
                "a batch without images was given to TensorRT", "report it with the command that led here"
            )
        self._shapes.check(batch.shape)
        with self._lock:
            if self._pipeline is None:
                raise EngineError(f"{self.name} was closed", "start the session again")
            try:
                with self._gpu.current():
                    parts = self._pipeline.run(self._parts(batch))
            except EngineError:
                self._close()
                raise
        outputs = zip(*parts, strict=True)
        return tuple(np.concatenate(output)[: len(batch)] for output in outputs)

    def close(self) -> None:
        """Give everything back; waits for a run in another thread. Harmless when called twice."""
        with self._lock:
            self._close()

    def _parts(self, batch: Image) -> list[Image]:
        """The batch in pieces that fit; the last is filled up where the model takes one size only."""
        size = self._fixed or self._shapes.max_batch
        parts = [batch[i : i + size] for i in range(0, len(batch), size)]
        missing = size - len(parts[-1])
        if self._fixed and missing:
            parts[-1] = np.concatenate([parts[-1], np.repeat(parts[-1][-1:], missing, axis=0)])
        return parts

    def _open(self, api: Api, plan: bytes, mapped: bool) -> None:
        """Each step registers how it is undone, so that a later one that fails leaves nothing behind."""
        with ExitStack() as undo:
            self._gpu = GpuContext()
            undo.callback(self._gpu.close)
            self._pipeline: Pipeline | None = None
            undo.callback(self._release_in_context)
            self._execution: Execution | None = None
            with self._gpu.current():
                self._execution = Execution(api, plan, self.contract.outputs)
                self._fixed = self._execution.fixed_batch
                largest = (self._fixed or self._shapes.max_batch, *self._shapes.largest[1:])
                self._pipeline = Pipeline(self._gpu, self._execution, largest, mapped)
            self._release = undo.pop_all()

    def _close(self) -> None:
        self._release.close()

    def _release_in_context(self) -> None:
        """What the GPU still does is waited for; then what runs, what it ran on, and the streams."""
        pipeline, self._pipeline = self._pipeline, None
        execution, self._execution = self._execution, None
        with suppress(EngineError), self._gpu.current():
            if pipeline is not None:
                pipeline.wait()
            if execution is not None:
                execution.close()
            if pipeline is not None:
                pipeline.close()


def engine_shapes(path: Path, task: str, max_batch: int) -> InputShapes:
    """What an engine of this file takes. Raises ModelError."""
    return input_shapes(read_model_file(path, task).contract, max_batch)
