"""Asks the stub driver what it saw; and a network for it, made of a host function in the stream."""

import ctypes
from dataclasses import dataclass

import numpy as np

from edge_all.errors import EngineError

OUT_OF_MEMORY, LAUNCH_FAILED = 2, 719
_driver = ctypes.CDLL("libcuda.so.1")
_driver.stub_violations.restype = _driver.stub_trace.restype = ctypes.c_char_p
_driver.stub_peek.argtypes = [ctypes.c_ulonglong, ctypes.c_void_p, ctypes.c_size_t]
_driver.cuLaunchHostFunc.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
_driver.cuStreamSynchronize.argtypes = [ctypes.c_void_p]
_Kernel = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@dataclass(frozen=True)
class Alive:
    """Objects that were created and not released."""

    device: int
    host: int
    streams: int
    events: int
    contexts: int
    current: int


NOTHING = Alive(0, 0, 0, 0, 0, 0)


def alive() -> Alive:
    counts = (ctypes.c_int * 6)()
    _driver.stub_alive(counts)
    return Alive(*counts)


def violations() -> list[str]:
    return _driver.stub_violations().decode().splitlines()


def trace() -> list[str]:
    return _driver.stub_trace().decode().splitlines()


def fail(call: str, nth: int = 1, code: int = OUT_OF_MEMORY) -> None:
    """The nth call from now of that name, and every later one, gives this error, as a full GPU does (pycuda tries an
    allocation twice); fail("") ends it."""
    _driver.stub_fail(call.encode(), nth, code)


def peek(address: int, shape: tuple[int, ...]) -> np.ndarray:
    """Bytes on the device as they are now."""
    out = np.empty(shape, np.uint8)
    assert _driver.stub_peek(address, out.ctypes.data, out.nbytes) == 1
    return out


def drain(stream: int) -> None:
    """Let one stream run to its end."""
    assert _driver.cuStreamSynchronize(stream) == 0


class Sums:
    """A "network" of two outputs: the sum of each image, and its first and last pixel, float32."""

    def __init__(self):
        self.calls = []
        self.ran = 0
        self._kernels = []
        self.fail_on = 0

    def output_shapes(self, shape):
        return {"sum": ((shape[0],), np.dtype(np.float32)), "ends": ((shape[0], 2), np.dtype(np.float32))}

    def enqueue(self, shape, input_address, output_addresses, stream):
        self.calls.append(shape)
        if self.fail_on == len(self.calls):
            raise EngineError("the network failed")

        def kernel(_):
            images = _at(input_address, shape, np.uint8).reshape(shape[0], -1)
            _at(output_addresses["sum"], (shape[0],), np.float32)[:] = images.sum(axis=1)
            _at(output_addresses["ends"], (shape[0], 2), np.float32)[:] = images[:, [0, -1]]
            self.ran += 1

        self._kernels.append(_Kernel(kernel))
        assert _driver.cuLaunchHostFunc(stream, self._kernels[-1], None) == 0


def expected(batch):
    flat = batch.reshape(len(batch), -1)
    return flat.sum(axis=1, dtype=np.float32), flat[:, [0, -1]].astype(np.float32)


def _at(address, shape, dtype):
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer((ctypes.c_char * size).from_address(address), dtype).reshape(shape)
