"""Checks of the buffer code, each in a process of its own with the stub driver and the real pycuda:

python -m tests.cuda_stub.checks NAME
"""
# ruff: noqa: PT017

import gc
import sys
import threading
import time

import numpy as np

from edge_all.errors import EngineError
from edge_all.inference.tensorrt.cuda.context import GpuContext
from edge_all.inference.tensorrt.pipeline import Pipeline
from tests.cuda_stub import stub

LARGEST = (4, 6, 8, 3)


def batches(*sizes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (n, *LARGEST[1:]), dtype=np.uint8) for n in sizes]


class Opened:
    """A context and a pipeline with the sums; all given back at the end, which is checked."""

    def __init__(self, mapped=False):
        self.gpu = GpuContext()
        self.sums = stub.Sums()
        with self.gpu.current():
            self.pipeline = Pipeline(self.gpu, self.sums, LARGEST, mapped)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def run(self, *given):
        with self.gpu.current():
            return self.pipeline.run(given)

    def close(self):
        with self.gpu.current():
            self.pipeline.wait()
            self.pipeline.close()
        self.gpu.close()
        clean()


def clean():
    gc.collect()
    assert stub.alive() == stub.NOTHING, stub.alive()
    assert stub.violations() == []


def same(found, batch):
    for one, right in zip(found, stub.expected(batch), strict=True):
        np.testing.assert_array_equal(one, right)


def contents_survive_the_way():
    for mapped in (False, True):
        with Opened(mapped) as opened:
            given = batches(4, 4, 1, 3, 4, 2, 4)
            found = opened.run(*given)
            assert len(found) == 7
            for one, batch in zip(found, given, strict=True):
                same(one, batch)
            # Again, on used buffers, and a view that is not contiguous.
            (again,) = opened.run(given[0][:, ::-1])
            same(again, given[0][:, ::-1])


def results_stay_when_buffers_are_used_again():
    with Opened() as opened:
        first, second = batches(4, 4)
        (kept,) = opened.run(first)
        opened.run(second, second, second)
        same(kept, first)


def next_batch_is_copied_before_the_current_is_computed():
    """After two submits the copying stream can run to its end while nothing was computed; the computing stream then
    has both batches. And the third's upload needs nothing but the first's end."""
    with Opened() as opened, opened.gpu.current():
        pipeline, (a, b, c) = opened.pipeline, batches(4, 4, 4)
        pipeline.submit(a)
        pipeline.submit(b)
        assert pipeline.is_full
        stub.drain(pipeline._copy.handle)
        assert opened.sums.ran == 0, "copying waited for computing"
        np.testing.assert_array_equal(stub.peek(pipeline._sets[0].input.address, a.shape), a)
        np.testing.assert_array_equal(stub.peek(pipeline._sets[1].input.address, b.shape), b)
        same(pipeline.collect(), a)
        assert opened.sums.ran == 1, "the first result waited for the second batch"
        pipeline.submit(c)
        stub.drain(pipeline._copy.handle)
        assert opened.sums.ran == 1
        np.testing.assert_array_equal(stub.peek(pipeline._sets[0].input.address, c.shape), c)
        same(pipeline.collect(), b)
        same(pipeline.collect(), c)


def computing_waits_for_its_upload_and_results_for_it():
    """Nothing ran before the first wait. Computing alone brings its own upload, and no other, with it."""
    with Opened() as opened, opened.gpu.current():
        pipeline, (a,) = opened.pipeline, batches(4)
        pipeline.submit(a)
        assert not [line for line in stub.trace() if line.startswith("ran")]
        stub.drain(pipeline._compute.handle)
        copy, compute = 0, 1
        assert [line for line in stub.trace() if line.startswith("ran")] == [
            f"ran copy on stream {copy}",
            f"ran kernel on stream {compute}",
        ]
        same(pipeline.collect(), a)


def mapped_memory_is_not_copied():
    with Opened(mapped=True) as opened:
        opened.run(*batches(4, 4, 4))
        assert stub.alive().device == 0
        assert not [line for line in stub.trace() if "copy" in line or "load" in line]


def nothing_is_allocated_after_the_start():
    with Opened() as opened:
        before = len([line for line in stub.trace() if line.startswith(("allocate", "create"))])
        for _ in range(5):
            opened.run(*batches(4, 1, 4))
        assert len([line for line in stub.trace() if line.startswith(("allocate", "create"))]) == before


def any_thread_may_use_and_close_it():
    opened = Opened()
    given = batches(4, 4, 4)
    faults = []

    def use(number):
        try:
            for one, batch in zip(opened.run(*given), given, strict=True):
                same(one, batch)
            assert stub.alive().current == 0
        except BaseException as fault:
            faults.append((number, fault))

    for number in range(4):
        thread = threading.Thread(target=use, args=(number,))
        thread.start()
        thread.join()
    closer = threading.Thread(target=opened.close)
    closer.start()
    closer.join()
    assert not faults, faults
    assert stub.alive().contexts == 0
    clean()


def two_engines_at_once_in_two_threads():
    one, two = Opened(), Opened(mapped=True)
    faults = []

    def use(opened, seed):
        try:
            for turn in range(20):
                given = batches(4, 2, 4, seed=seed + turn)
                for found, batch in zip(opened.run(*given), given, strict=True):
                    same(found, batch)
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=use, args=pair) for pair in ((one, 0), (two, 100))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults, faults
    with one.gpu.current():
        one.pipeline.wait()
        one.pipeline.close()
    one.gpu.close()
    assert stub.alive().contexts == 1
    two.close()


def it_leaves_other_contexts_alone():
    """A program's own context, current before, is current after, closing included."""
    import pycuda.driver

    pycuda.driver.init()
    own = pycuda.driver.Device(0).make_context()
    opened = Opened()
    given = batches(4)
    same(opened.run(*given)[0], given[0])
    with opened.gpu.current():
        opened.pipeline.wait()
        opened.pipeline.close()
    opened.gpu.close()
    assert stub.alive().current == 1
    assert stub.alive().contexts == 0
    pycuda.driver.mem_alloc(16).free()  # still in its own context
    assert stub.violations() == []
    own.pop()


def release_is_in_order():
    """The work first, then memory, then events, then streams, the context last."""
    opened = Opened()
    with opened.gpu.current():
        opened.pipeline.submit(batches(4)[0])
    opened.close()
    lines = stub.trace()
    last = {word: max(i for i, line in enumerate(lines) if line.startswith(word)) for word in
            ("waited for stream", "free", "destroy event", "destroy stream", "release")}  # fmt: skip
    assert list(last.values()) == sorted(last.values()), last
    first_free = next(i for i, line in enumerate(lines) if line.startswith("free"))
    assert first_free > last["waited for stream"]
    assert lines[-1] == "release"


def closing_twice_is_harmless():
    opened = Opened()
    opened.close()
    opened.gpu.close()
    try:
        with opened.gpu.current():
            raise AssertionError("a closed context was taken up")
    except EngineError:
        pass
    clean()


CALLS_WHEN_MADE = {"cuMemHostAlloc": 6, "cuMemAlloc": 6, "cuStreamCreate": 2, "cuEventCreate": 6}
"""Two sets of an input and two outputs; three events each."""


def a_failure_half_way_leaves_nothing():
    for mapped in (False, True):
        for call, times in CALLS_WHEN_MADE.items():
            if mapped and call == "cuMemAlloc":
                continue
            for nth in range(1, times + 1):
                gpu = GpuContext()
                stub.fail(call, nth)
                try:
                    with gpu.current():
                        Pipeline(gpu, stub.Sums(), LARGEST, mapped)
                    raise AssertionError(f"{call} {nth} did not fail")
                except EngineError as error:
                    assert "out of memory" in str(error), error
                    assert error.remedy
                    stub.fail("")
                    # While the error is still held, as a log holds it.
                    gpu.close()
                    clean()
    stub.fail("cuDevicePrimaryCtxRetain")
    try:
        GpuContext()
        raise AssertionError("the context did not fail")
    except EngineError:
        stub.fail("")
        clean()


def a_failure_in_the_middle_leaves_nothing():
    for call in ("cuMemcpyHtoDAsync", "cuEventRecord", "cuStreamWaitEvent", "cuMemcpyDtoHAsync", "cuEventSynchronize"):
        for nth in (1, 2):
            opened = Opened()
            given = batches(4, 4, 4)
            stub.fail(call, nth, stub.LAUNCH_FAILED)
            try:
                opened.run(*given)
                raise AssertionError(f"{call} {nth} did not fail")
            except EngineError as error:
                assert error.remedy
                stub.fail("")
                opened.close()
    opened = Opened()
    opened.sums.fail_on = 2
    try:
        opened.run(*batches(4, 4, 4))
        raise AssertionError("the network did not fail")
    except EngineError:
        opened.close()


def the_stub_sees_what_it_is_for():
    """Were it blind, the checks above would mean nothing."""
    import pycuda.driver as drv

    drv.init()
    try:
        drv.mem_alloc(16)
        raise AssertionError("allocated without a context")
    except drv.Error:
        pass
    assert "cuMemAlloc without a current context" in stub.violations()

    def count():
        return len(stub.violations())

    context = drv.Device(0).retain_primary_context()
    context.push()
    memory, stream = drv.mem_alloc(16), drv.Stream(1)
    host = drv.pagelocked_empty(16, np.uint8)
    address = int(memory)
    before = count()
    drv.memcpy_htod_async(address, host, stream)
    memory.free()  # still needed
    assert count() == before + 1
    try:
        stream.synchronize()
        raise AssertionError("a copy into freed memory passed")
    except drv.Error:
        assert "a copy ran after its memory was freed" in stub.violations()[-1]
    context.pop()

    faults = []

    def leave_it_current():
        import ctypes

        try:
            ctypes.CDLL("libcuda.so.1").cuCtxPushCurrent_v2(ctypes.c_void_p(context.handle))
        except BaseException as fault:
            faults.append(fault)

    before = count()
    thread = threading.Thread(target=leave_it_current)
    thread.start()
    thread.join()
    assert not faults
    for _ in range(100):  # join() returns a moment before the thread is gone
        if count() > before:
            break
        time.sleep(0.05)
    assert count() == before + 1
    assert "thread ended" in stub.violations()[-1]


def the_stub_sees_double_frees_and_other_contexts():
    import ctypes

    import pycuda.driver as drv

    library = ctypes.CDLL("libcuda.so.1")
    library.cuMemFree_v2.argtypes = [ctypes.c_ulonglong]
    drv.init()
    one = drv.Device(0).make_context()
    memory = drv.mem_alloc(16)
    address = int(memory)
    memory.free()
    assert library.cuMemFree_v2(address) != 0
    assert stub.violations() == ["double free of device memory"]
    other = drv.mem_alloc(16)
    two = drv.Device(0).make_context()
    assert library.cuMemFree_v2(int(other)) != 0
    assert stub.violations()[-1] == "free of device memory in another context"
    two.pop()
    other.free()
    one.pop()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
    print("passed")
