"""The whole engine on the stub driver, with the real pycuda and runtime/tensorrt.py for TensorRT's runtime:

python -m tests.cuda_stub.engine_checks NAME FOLDER
"""

# ruff: noqa: PT017
import gc
import os
import sys
import threading
from pathlib import Path

import numpy as np

from edge_all.errors import EngineError, EngineUnavailableError
from edge_all.inference.tensorrt import plans
from edge_all.inference.tensorrt.cache import EngineCache
from edge_all.inference.tensorrt.engine import TensorRtEngine
from edge_all.modelstore.shipped import models_folder
from tests.cuda_stub import stub
from tests.helpers.logged_lines import lines_to

sys.path.insert(0, str(Path(__file__).with_name("runtime")))
import tensorrt  # type: ignore[import-not-found]

FILES = {
    "classifier": models_folder() / "classifier-segmented" / "fp16.onnx",  # each output is a number per image
    "detector": models_folder() / "detector" / "fp16.onnx",
}
CACHE = EngineCache(Path(sys.argv[2]) if len(sys.argv) > 2 else None)


def make(task="classifier", max_batch=4, built=None):
    """built: plans that the builder gives, one after the other."""
    given = list(built or [f"plan for the {task}".encode()])

    def build(_request, _path, _module):
        return given.pop(0)

    for function in (plans.stored_or_built, plans.built):
        function.__defaults__ = tuple(build if callable(d) else d for d in function.__defaults__)
    return TensorRtEngine(
        FILES[task],
        task,
        precision="fp16",
        cache=CACHE,
        max_batch=max_batch,
    )


def crops(n, side=160, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


def right(batch):
    total = batch.reshape(len(batch), -1).sum(axis=1).astype(np.float32)
    return total + np.float32(1), total  # in the contract's order, which is not the engine's


def clean():
    gc.collect()
    assert stub.alive() == stub.NOTHING, stub.alive()
    assert stub.violations() == [], stub.violations()


def any_number_of_images_in_the_contracts_order():
    engine = make()
    assert engine.name == "tensorrt-10.3 fp16"
    assert engine.contract.outputs == ("blast_probability", "unfamiliarity")
    for n in (1, 3, 4, 5, 8, 11, 33):
        for found, wanted in zip(engine.run(crops(n)), right(crops(n)), strict=True):
            np.testing.assert_array_equal(found, wanted)
    assert "run 4" in tensorrt.log_of_calls
    assert "run 5" not in tensorrt.log_of_calls
    engine.close()
    clean()


def fields_of_any_size_one_by_one():
    engine = make("detector")
    for height, width, n in ((96, 96, 8), (192, 320, 1), (96, 96, 3)):
        batch = np.random.default_rng(1).integers(0, 256, (n, height, width, 3), dtype=np.uint8)
        heat, radius = engine.run(batch)
        assert heat.shape == (n, 2, height // 4, width // 4)
        assert radius.shape == (n, 1, height // 4, width // 4)
        np.testing.assert_array_equal(heat[:, 0, 0, 0], right(batch)[1])
    try:
        engine.run(np.zeros((1, 4000, 4000, 3), np.uint8))
        raise AssertionError("a field of 4000 px passed")
    except EngineError as error:
        assert "4000 x 4000" in error.message
    engine.run(np.zeros((1, 32, 32, 3), np.uint8))  # the engine survived it
    engine.close()
    clean()


def a_fixed_batch_is_filled_up():
    engine = make(max_batch=32, built=[b"plan of a fixed batch"])
    for n in (1, 4, 6):
        for found, wanted in zip(engine.run(crops(n)), right(crops(n)), strict=True):
            np.testing.assert_array_equal(found, wanted)
    assert {line for line in tensorrt.log_of_calls if line.startswith("run")} == {"run 4"}
    engine.close()
    clean()


def threads_wait_for_each_other():
    engine = make()
    faults = []

    def use(seed):
        try:
            for turn in range(10):
                batch = crops(9, seed=seed * 100 + turn)
                for found, wanted in zip(engine.run(batch), right(batch), strict=True):
                    np.testing.assert_array_equal(found, wanted)
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=use, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults, faults
    engine.close()
    clean()


def closing_is_final_and_harmless():
    engine = make()
    engine.run(crops(2))
    closer = threading.Thread(target=engine.close)
    closer.start()
    closer.join()
    engine.close()
    try:
        engine.run(crops(1))
        raise AssertionError("a closed engine ran")
    except EngineError as error:
        assert "was closed" in error.message
    assert tensorrt.log_of_calls[-3:] == ["context gone", "engine gone", "runtime gone"]
    clean()


def gone_before_its_memory():
    """TensorRT's parts go before the buffers, the buffers before the context."""
    engine = make()
    engine.run(crops(2))
    before = len(stub.trace())
    tensorrt.log_of_calls.clear()
    original = stub.trace

    class Watch(list):
        def append(self, line):
            assert not [one for one in original()[before:] if one.startswith(("free", "release"))], "freed too early"
            super().append(line)

    tensorrt.log_of_calls = Watch()
    engine.close()
    assert list(tensorrt.log_of_calls) == ["context gone", "engine gone", "runtime gone"]
    clean()


def memory_that_runs_out_in_the_middle():
    os.environ["FAKE_TENSORRT"] = "second run"
    engine = make()
    try:
        engine.run(crops(12))
        raise AssertionError("it ran without memory")
    except EngineError as error:
        assert "the GPU ran out of memory" in error.message
        assert "max_batch" in error.remedy
        clean()  # given back already, while the error is still looked at
    os.environ["FAKE_TENSORRT"] = ""
    try:
        engine.run(crops(1))
        raise AssertionError("it ran on")
    except EngineError as error:
        assert "was closed" in error.message
    engine.close()


def construction_that_fails_half_way():
    for what in ("no context",):
        os.environ["FAKE_TENSORRT"] = what
        try:
            make()
            raise AssertionError(f"{what} passed")
        except EngineError as error:
            assert "out of memory" in error.message, error
        clean()
    os.environ["FAKE_TENSORRT"] = ""
    for call in ("cuDevicePrimaryCtxRetain", "cuMemAlloc", "cuMemHostAlloc", "cuStreamCreate", "cuEventCreate"):
        stub.fail(call)
        try:
            make()
            raise AssertionError(f"{call} passed")
        except EngineError as error:
            assert "out of memory" in error.message, error
            stub.fail("")
            clean()


def faults_of_the_runtime_are_errors_of_the_engine():
    for what, says in (("no address", "does not accept the memory"), ("no run", "could not be started")):
        engine = make()
        os.environ["FAKE_TENSORRT"] = what
        try:
            engine.run(crops(1))
            raise AssertionError(f"{what} passed")
        except EngineError as error:
            assert says in error.message, error
        os.environ["FAKE_TENSORRT"] = ""
        clean()


def a_stored_plan_that_is_refused_is_built_again():
    said = []
    with lines_to(said.append):
        engine = make(built=[b"of an other platform", b"plan for the classifier"])
    engine.run(crops(1))
    assert any("rejects the stored engine (the plan is of another platform)" in line for line in said), said
    engine.close()
    clean()
    make(built=[]).close()  # it is stored now
    CACHE.clear()
    try:
        make(built=[b"bad", b"bad as well"])
        raise AssertionError("two bad plans passed")
    except EngineUnavailableError as error:
        assert "the engine that it built" in error.message
    clean()


def jetson_memory_is_not_copied():
    os.environ["STUB_INTEGRATED"] = "1"
    engine = make()
    batch = crops(9)
    for found, wanted in zip(engine.run(batch), right(batch), strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert stub.alive().device == 0
    assert not [line for line in stub.trace() if "load on" in line]
    engine.close()
    clean()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
    print("passed")
