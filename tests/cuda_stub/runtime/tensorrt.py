"""Stands for TensorRT 10's runtime on the stub driver, where no real one runs: an engine whose outputs are sums of each
image, computed in the stream. FAKE_TENSORRT names what it shall do wrong."""

import enum
import os
import types

import numpy as np

__version__ = "10.3.0"
log_of_calls = []
GOOD_PLANS = (b"plan for the classifier", b"plan for the detector", b"plan of a fixed batch")


class Severity(enum.IntEnum):
    INTERNAL_ERROR = 0
    ERROR = 1


class ILogger:
    INTERNAL_ERROR, ERROR = Severity


class TensorIOMode(enum.Enum):
    INPUT = 1
    OUTPUT = 2


def fault():
    return os.environ.get("FAKE_TENSORRT", "")


class Runtime:
    def __init__(self, log):
        self.log = log

    def __del__(self):
        log_of_calls.append("runtime gone")

    def deserialize_cuda_engine(self, plan):
        log_of_calls.append(f"plan {bytes(plan)!r}")
        if bytes(plan) not in GOOD_PLANS:
            self.log.log(Severity.ERROR, "the plan is of another platform")
            return None
        return Engine(self.log, bytes(plan))


class Engine:
    def __init__(self, log, plan):
        self.log = log
        self.outputs = ["heat", "log_radius"] if b"detector" in plan else ["unfamiliarity", "blast_probability"]
        self.batch = 4 if b"fixed" in plan else -1
        self.num_io_tensors = 3

    def __del__(self):
        log_of_calls.append("engine gone")

    def get_tensor_name(self, index):
        return ["image", *self.outputs][index]

    def get_tensor_mode(self, name):
        return TensorIOMode.INPUT if name == "image" else TensorIOMode.OUTPUT

    def get_tensor_shape(self, _name):
        return (self.batch, 160, 160, 3)

    def get_tensor_dtype(self, _name):
        return types.SimpleNamespace(name="FLOAT")

    def create_execution_context(self):
        if fault() == "no context":
            self.log.log(Severity.ERROR, "Cuda Runtime (out of memory)")
            return None
        return Context(self)


class Context:
    def __init__(self, engine):
        self.engine, self.addresses, self.kernels, self.shape = engine, {}, [], None

    def __del__(self):
        log_of_calls.append("context gone")

    def set_input_shape(self, _name, shape):
        self.shape = tuple(shape)
        return self.engine.batch in (-1, shape[0])

    def get_tensor_shape(self, name):
        n, height, width, _ = self.shape
        channels = {"heat": 2, "log_radius": 1}.get(name)
        return (n, channels, height // 4, width // 4) if channels else (n,)

    def set_tensor_address(self, name, address):
        self.addresses[name] = address
        return fault() != "no address"

    def execute_async_v3(self, stream):
        from tests.cuda_stub import stub

        log_of_calls.append(f"run {self.shape[0]}")
        if fault() == "no run" or (fault() == "second run" and log_of_calls.count(f"run {self.shape[0]}") == 2):
            self.engine.log.log(Severity.ERROR, "cudaErrorMemoryAllocation: out of memory")
            return False
        shape, addresses = self.shape, dict(self.addresses)
        # The function must not hold the context, because the tests check when each object is freed.
        shapes = {name: self.get_tensor_shape(name) for name in self.engine.outputs}

        def kernel(_):
            images = stub._at(addresses["image"], shape, np.uint8).reshape(shape[0], -1)
            for number, name in enumerate(shapes):
                out = stub._at(addresses[name], shapes[name], np.float32)
                out[:] = (images.sum(axis=1) + number).reshape(-1, *[1] * (out.ndim - 1))

        self.kernels.append(stub._Kernel(kernel))
        return stub._driver.cuLaunchHostFunc(stream, self.kernels[-1], None) == 0
