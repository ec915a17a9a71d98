"""Pipelining of batches on the GPU.

Two sets of buffers and separate streams for copying and computing let the next batch be copied while the current one
is computed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edge_all.domain.image import Image
from edge_all.inference.tensorrt.cuda.buffers import BufferSet
from edge_all.inference.tensorrt.cuda.context import GpuContext

_SETS = 2
_NON_BLOCKING = 1
"""CU_STREAM_NON_BLOCKING, so that neither stream waits for work on the default stream."""

Shape = tuple[int, ...]
Outputs = Mapping[str, tuple[Shape, np.dtype[Any]]]


class Computes(Protocol):
    """Computation on the GPU between the copies."""

    def output_shapes(self, shape: Shape) -> Outputs:
        """Return the shape and dtype of each output for an input of this shape."""

    def enqueue(self, shape: Shape, input_address: int, output_addresses: Mapping[str, int], stream: int) -> None:
        """Start one computation on a stream without waiting for it.

        Raises:
            EngineError: when the computation cannot be started.
        """


class Pipeline:
    """Pipeline of at most two batches. Use it with the GPU context current."""

    def __init__(self, gpu: GpuContext, computes: Computes, largest: Shape, mapped: bool) -> None:
        """Allocate streams and buffers.

        Args:
            gpu: The GPU context.
            computes: The computation.
            largest: Shape of the largest input, N x H x W x 3.
            mapped: Leave batches in the CPU's memory.

        Raises:
            EngineError: when the GPU fails or runs out of memory.
        """
        self._gpu, self._computes, self._mapped = gpu, computes, mapped
        outputs = {
            name: int(np.prod(shape)) * dtype.itemsize
            for name, (shape, dtype) in computes.output_shapes(largest).items()
        }
        self._waiting: deque[tuple[BufferSet, Outputs]] = deque()
        self._sets: list[BufferSet] = []
        with ExitStack() as undo, gpu.errors("while allocating its buffers"):
            undo.callback(self._drop_streams)
            self._copy = gpu.driver.Stream(_NON_BLOCKING)
            self._compute = gpu.driver.Stream(_NON_BLOCKING)
            undo.callback(self._free_sets)
            for _ in range(_SETS):
                self._sets.append(BufferSet(gpu, int(np.prod(largest)), outputs, mapped))
            undo.pop_all()
        self._free = deque(self._sets)

    @property
    def is_full(self) -> bool:
        """True if collect() must be called before the next submit()."""
        return not self._free

    def run(self, batches: Sequence[Image]) -> list[tuple[npt.NDArray[Any], ...]]:
        """Run batches (uint8, none above ``largest``) and return their outputs in the order of output_shapes()."""
        results = []
        for batch in batches:
            if self.is_full:
                results.append(self.collect())
            self.submit(batch)
        while self._waiting:
            results.append(self.collect())
        return results

    def submit(self, batch: Image) -> None:
        """Start a batch (uint8, N x H x W x 3). Do not call it while is_full.

        Raises:
            EngineError: when the GPU fails.
        """
        buffers = self._free.popleft()
        shape = batch.shape
        with self._gpu.errors("while receiving a batch"):
            outputs = self._computes.output_shapes(shape)
            host = buffers.input.host(shape, np.uint8)
            np.copyto(host, batch)
            if not self._mapped:
                self._gpu.driver.memcpy_htod_async(buffers.input.address, host, self._copy)
                buffers.uploaded.record(self._copy)
                self._compute.wait_for_event(buffers.uploaded)
            addresses = {name: buffer.address for name, buffer in buffers.outputs.items()}
            self._computes.enqueue(shape, buffers.input.address, addresses, self._compute.handle)
            buffers.computed.record(self._compute)
        self._waiting.append((buffers, outputs))

    def collect(self) -> tuple[npt.NDArray[Any], ...]:
        """Wait for the oldest batch and return its outputs.

        Raises:
            EngineError: when the GPU fails.
        """
        buffers, outputs = self._waiting.popleft()
        with self._gpu.errors("while returning results"):
            views = {name: buffers.outputs[name].host(*outputs[name]) for name in outputs}
            if self._mapped:
                buffers.computed.synchronize()
            else:
                # Queued only now, so that the next batch's upload is ahead of it in the stream and need not wait.
                self._copy.wait_for_event(buffers.computed)
                for name, view in views.items():
                    self._gpu.driver.memcpy_dtoh_async(view, buffers.outputs[name].address, self._copy)
                buffers.downloaded.record(self._copy)
                buffers.downloaded.synchronize()
        self._free.append(buffers)
        return tuple(view.copy() for view in views.values())

    def wait(self) -> None:
        """Wait for the GPU to finish, so that the buffers can be freed. Errors here were already reported before."""
        with suppress(self._gpu.driver.Error):
            self._compute.synchronize()
        with suppress(self._gpu.driver.Error):
            self._copy.synchronize()

    def close(self) -> None:
        """Release buffers, events and streams, after wait(). Repeated calls have no effect."""
        self._free_sets()
        self._drop_streams()

    def _free_sets(self) -> None:
        self._waiting.clear()
        self._free = deque()
        while self._sets:
            self._sets.pop().free()

    def _drop_streams(self) -> None:
        # pycuda destroys a stream with its last reference.
        self._copy = self._compute = None
