"""The GPU's primary context, used from any thread. The one place that imports pycuda."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from edge_all.engines.tensorrt.gpu import LIBRARY
from edge_all.errors import EngineError, EngineUnavailableError

_MEMORY_REMEDY = "close what else uses the GPU, lower max_batch in the profile, or take --engine onnxruntime-cpu"


class GpuContext:
    """Retained once, pushed around every use and popped after it, so that no thread keeps it and TensorRT, which uses
    the primary context too, sees the same memory."""

    def __init__(self) -> None:
        """Raises EngineUnavailableError where pycuda cannot be loaded, EngineError where the GPU gives no context."""
        self.driver = _pycuda_driver()
        self._context: Any = None
        with self.errors("while it was opened"):
            self.driver.init()
            self._context = self.driver.Device(0).retain_primary_context()

    @contextmanager
    def current(self) -> Iterator[None]:
        """This thread may use the GPU within. Raises EngineError after close()."""
        if self._context is None:
            raise EngineError("the GPU's context was given back", "start the session again")
        with self.errors("while it was taken up"):
            self._context.push()
        try:
            yield
        finally:
            self.driver.Context.pop()

    @contextmanager
    def errors(self, when: str) -> Iterator[None]:
        """CUDA's errors within become EngineError. when: "while ..."."""
        try:
            yield
        except self.driver.MemoryError as error:
            raise EngineError(f"the GPU ran out of memory {when}", _MEMORY_REMEDY) from error
        except self.driver.Error as error:
            reason = str(error).splitlines()[0][:200]
            raise EngineError(
                f"the GPU failed {when} ({reason})", "start the session again; where it persists restart the machine"
            ) from error

    def close(self) -> None:
        """Give the context back, from any thread; harmless when called twice. Everything made in it is gone then."""
        context, self._context = self._context, None
        if context is None:
            return
        # pycuda releases a primary context only where it is current, and takes for granted that this pops it from the
        # thread, which is true of other contexts only: popped here beforehand.
        with suppress(self.driver.Error):
            context.push()
            ctypes.CDLL(LIBRARY).cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))
            context.detach()


def _pycuda_driver() -> Any:
    try:
        import pycuda.driver
    except ImportError as error:
        raise EngineUnavailableError(
            f"pycuda cannot be loaded ({error})",
            "build it again on this machine: pip install --force-reinstall --no-binary pycuda pycuda",
        ) from error
    return pycuda.driver
