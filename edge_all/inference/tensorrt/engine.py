"""Engine that runs a model file with TensorRT, using pycuda for its buffers."""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_all.domain.image import Image
from edge_all.errors import EngineError, EngineUnavailableError
from edge_all.inference.onnx_file import read_model_file
from edge_all.inference.tensorrt.api import Api, load_api
from edge_all.inference.tensorrt.availability import unavailable
from edge_all.inference.tensorrt.build import BuildRequest
from edge_all.inference.tensorrt.cache import EngineCache
from edge_all.inference.tensorrt.cuda.context import GpuContext
from edge_all.inference.tensorrt.cuda.gpu import read_gpu
from edge_all.inference.tensorrt.execution import Execution, PlanRefusedError
from edge_all.inference.tensorrt.key import engine_key
from edge_all.inference.tensorrt.pipeline import Pipeline
from edge_all.inference.tensorrt.plans import built, stored_or_built
from edge_all.inference.tensorrt.shapes import InputShapes, input_shapes

_log = logging.getLogger(__name__)
Outputs = tuple[npt.NDArray[Any], ...]


class TensorRtEngine:
    """Model on the GPU. It can be called from any thread; concurrent calls wait for each other."""

    def __init__(
        self,
        path: Path,
        task: str,
        *,
        precision: str,
        cache: EngineCache,
        max_batch: int = 32,
        build_memory_mib: int | None = None,
    ) -> None:
        """Load the engine from the cache, or build it, which takes minutes; its progress is logged.

        Args:
            path: The model file.
            task: "detector" or "classifier".
            precision: "int8", "fp16" or "fp32"; must be the precision of the file.
            cache: The engine cache.
            max_batch: Largest batch of the classifier.
            build_memory_mib: Memory limit of the builder in MiB; None for TensorRT's default.

        Raises:
            EngineUnavailableError: when TensorRT cannot run here or the build fails.
            ModelError: when the model is invalid.
            EngineError: when the GPU fails.
        """
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
        )
        plan = stored_or_built(*wanted)
        try:
            self._open(api, plan, gpu.zero_copy)
        except PlanRefusedError as error:
            _log.warning("%s rejects the stored engine (%s); building it again", api.name, error)
            try:
                self._open(api, built(*wanted, refused=plan), gpu.zero_copy)
            except PlanRefusedError as again:
                raise EngineUnavailableError(
                    f"{api.name} rejects the engine that it built ({again})", "choose another --engine"
                ) from again

    def run(self, batch: Image) -> Outputs:
        """Run a batch of any size (uint8, N x H x W x 3) and return the outputs in the contract's order.

        Raises:
            EngineError: when the batch is empty or of an unsupported size, or when the GPU fails. After a GPU error,
                all resources are released and the engine cannot run any more.
        """
        if len(batch) == 0:
            raise EngineError("TensorRT was given an empty batch", "report this with the command that caused it")
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
        """Release all resources after waiting for a run in another thread. Repeated calls have no effect."""
        with self._lock:
            self._close()

    def _parts(self, batch: Image) -> list[Image]:
        """Split the batch into parts that fit; pad the last one if the model accepts only one size."""
        size = self._fixed or self._shapes.max_batch
        parts = [batch[i : i + size] for i in range(0, len(batch), size)]
        missing = size - len(parts[-1])
        if self._fixed and missing:
            parts[-1] = np.concatenate([parts[-1], np.repeat(parts[-1][-1:], missing, axis=0)])
        return parts

    def _open(self, api: Api, plan: bytes, mapped: bool) -> None:
        """Open the engine. Each step registers its cleanup, so that a later failure leaves nothing behind."""
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
        """Wait for the GPU to finish, then release the execution, its buffers and the streams."""
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
    """Return the input shapes that an engine of this file accepts.

    Raises:
        ModelError: when the file cannot be read.
    """
    return input_shapes(read_model_file(path, task).contract, max_batch)
