"""Memory of one batch in flight, on the CPU and on the GPU, allocated once."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_all.inference.tensorrt.cuda.context import GpuContext


class Buffer:
    """Page-locked CPU memory and its counterpart on the GPU, which are the same memory if mapped.

    Create, use and free it with the GPU context current.
    """

    def __init__(self, gpu: GpuContext, size_bytes: int, mapped: bool) -> None:
        drv = gpu.driver
        with ExitStack() as undo:
            flags = drv.host_alloc_flags.DEVICEMAP if mapped else 0
            self._host: Any = drv.pagelocked_empty(max(1, size_bytes), np.uint8, mem_flags=flags)
            undo.callback(self._free_host)
            self._device: Any = None
            if not mapped:
                self._device = drv.mem_alloc(max(1, size_bytes))
            address = self._host.base.get_device_pointer() if mapped else self._device
            self.address = int(address)
            """Address on the GPU."""
            undo.pop_all()

    def host(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return the start of the page-locked memory as an array, valid only while the buffer exists."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        array: npt.NDArray[Any] = self._host[:size].view(dtype).reshape(shape)
        return array

    def free(self) -> None:
        """Free the memory on both sides. Repeated calls have no effect."""
        device, self._device = self._device, None
        if device is not None:
            device.free()
        self._free_host()

    def _free_host(self) -> None:
        host, self._host = self._host, None
        if host is not None:
            host.base.free()


class BufferSet:
    """Input and outputs of one batch, with the events that mark its progress."""

    def __init__(self, gpu: GpuContext, input_bytes: int, output_bytes: Mapping[str, int], mapped: bool) -> None:
        drv = gpu.driver
        flags = drv.event_flags.DISABLE_TIMING | drv.event_flags.BLOCKING_SYNC
        with ExitStack() as undo:
            self.input = Buffer(gpu, input_bytes, mapped)
            undo.callback(self.input.free)
            self.outputs: dict[str, Buffer] = {}
            for name, size in output_bytes.items():
                self.outputs[name] = Buffer(gpu, size, mapped)
                undo.callback(self.outputs[name].free)
            undo.callback(self._drop_events)
            # BLOCKING_SYNC lets a waiting thread sleep and leaves the CPU core to camera and recorder.
            self.uploaded: Any = drv.Event(flags)
            self.computed: Any = drv.Event(flags)
            self.downloaded: Any = drv.Event(flags)
            undo.pop_all()

    def free(self) -> None:
        """Free the memory, then the events."""
        for buffer in (*self.outputs.values(), self.input):
            buffer.free()
        self._drop_events()

    def _drop_events(self) -> None:
        # pycuda destroys an event with its last reference, and a traceback may hold one to this set.
        self.uploaded = self.computed = self.downloaded = None
