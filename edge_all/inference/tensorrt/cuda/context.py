"""The GPU's primary context, usable from any thread. Only this file imports pycuda."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from edge_all.errors import EngineError, EngineUnavailableError
from edge_all.inference.tensorrt.cuda.gpu import LIBRARY

_MEMORY_REMEDY = "close other programs on the GPU, lower max_batch in the profile, or use --engine onnxruntime-cpu"


class GpuContext:
    """The GPU's primary context, retained once, pushed before every use and popped after it.

    No thread keeps the context, and TensorRT, which also uses the primary context, sees the same memory.
    """

    def __init__(self) -> None:
        """Retain the context.

        Raises:
            EngineUnavailableError: when pycuda cannot be loaded.
            EngineError: when the GPU provides no context.
        """
        self.driver = _pycuda_driver()
        self._context: Any = None
        with self.errors("while it was being opened"):
            self.driver.init()
            self._context = self.driver.Device(0).retain_primary_context()

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make the context current for this thread.

        Raises:
            EngineError: when the context was closed, or the GPU fails.
        """
        if self._context is None:
            raise EngineError("the GPU context is closed", "start the session again")
        with self.errors("while it was being activated"):
            self._context.push()
        try:
            yield
        finally:
            self.driver.Context.pop()

    @contextmanager
    def errors(self, when: str) -> Iterator[None]:
        """Translate CUDA errors to EngineError. ``when`` completes the message, for example "while ..."."""
        try:
            yield
        except self.driver.MemoryError as error:
            raise EngineError(f"the GPU ran out of memory {when}", _MEMORY_REMEDY) from error
        except self.driver.Error as error:
            reason = str(error).splitlines()[0][:200]
            raise EngineError(
                f"the GPU failed {when} ({reason})",
                "start the session again; if the error persists, restart the machine",
            ) from error

    def close(self) -> None:
        """Release the context, from any thread, with everything created in it. Repeated calls have no effect."""
        context, self._context = self._context, None
        if context is None:
            return
        # pycuda releases a primary context only while it is current, and assumes that this also pops it from the
        # thread. That holds only for other contexts, so it is popped here first.
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
