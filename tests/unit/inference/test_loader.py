"""Choosing an engine, checking it, going over to a better one."""

import json
import logging
import shutil
import threading

import numpy as np
import pytest

from edge_all.errors import EngineError, EngineUnavailableError, ModelError, UsageError
from edge_all.inference.contract import METADATA_KEY, SELF_CHECK_KEY
from edge_all.inference.hot_swap import HotSwapEngine
from edge_all.inference.loader import EngineOptions, LoadedModel, engines_in_words, load_engine, load_file
from edge_all.inference.onnx_file import read_model_file
from edge_all.inference.precision import file_for, has_int8_dot_product
from edge_all.inference.self_check import self_check
from edge_all.modelstore.shipped import models_folder

DETECTOR = models_folder() / "detector"
CLASSIFIER = models_folder() / "classifier"
VNNI = "flags\t\t: fpu sse avx2 avx512_vnni\n"


def test_metadata_is_read_as_onnx_runtime_reads_it():
    import onnxruntime

    path = DETECTOR / "float.onnx"
    file = read_model_file(path, "detector")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert dict(file.metadata) == session.get_modelmeta().custom_metadata_map
    assert file.precision == "float"


@pytest.mark.parametrize("cut", [0, 1, 7, 1000, 20000])
def test_a_truncated_or_foreign_file_is_not_a_model(tmp_path, cut):
    data = (DETECTOR / "float.onnx").read_bytes()
    (tmp_path / "float.onnx").write_bytes(data[:cut])
    with pytest.raises(ModelError):
        read_model_file(tmp_path / "float.onnx", "detector")


def loaded_or_refused(path, task):
    try:
        return load_file(path, task), ""
    except ModelError as error:
        return None, error.message


@pytest.mark.parametrize("task", ["detector", "classifier"])
def test_every_shipped_file_gives_here_what_it_gave_there(task):
    for path in sorted((models_folder() / task).glob("*.onnx")):
        file = read_model_file(path, task)
        engine, refusal = loaded_or_refused(path, task)
        if refusal:
            # Without a dot product of bytes, sums of 16 bits overflow: such a processor refuses INT8 and takes float.
            assert "int8" in path.stem
            assert not has_int8_dot_product()
            assert "differs by" in refusal
            continue
        difference = self_check(engine, file.metadata)
        assert difference is not None
        assert difference <= file.contract.extra["tolerance"] < 0.5
        engine.close()


class _Changed:
    """A real engine with one thing changed."""

    def __init__(self, engine, add=0.0, fail_on=()):
        self.contract, self.identity, self.name = engine.contract, engine.identity, "changed"
        self._engine, self._add, self._fail_on, self.calls, self.closed = engine, add, fail_on, 0, False

    def run(self, batch):
        self.calls += 1
        if self.calls in self._fail_on:
            raise EngineError("out of GPU memory")
        return tuple(o + np.float32(self._add) for o in self._engine.run(batch))

    def close(self):
        self.closed = True


@pytest.fixture
def real():
    return load_file(CLASSIFIER / "float.onnx", "classifier")


@pytest.fixture
def metadata():
    return read_model_file(CLASSIFIER / "float.onnx", "classifier").metadata


@pytest.mark.parametrize("add", [0.3, float("nan")])
def test_other_answers_than_at_export_are_an_error(real, metadata, add):
    with pytest.raises(ModelError, match="gives different results here"):
        self_check(_Changed(real, add), metadata)


def test_a_self_check_that_cannot_be_read(real, metadata):
    assert self_check(real, {k: v for k, v in metadata.items() if k != SELF_CHECK_KEY}) is None
    with pytest.raises(ModelError, match="cannot be read"):
        self_check(real, {**metadata, SELF_CHECK_KEY: json.dumps({"input": {}})})


def test_a_named_engine_that_cannot_run_is_an_error_and_never_a_fallback():
    with pytest.raises(EngineUnavailableError, match="no CUDA provider"):
        load_engine(CLASSIFIER, "classifier", EngineOptions("onnxruntime-cuda"))
    with pytest.raises(EngineUnavailableError, match="does not benefit from fp16"):
        load_engine(CLASSIFIER, "classifier", EngineOptions("onnxruntime-cpu", "fp16"))
    with pytest.raises(UsageError, match="choose one of auto, tensorrt"):
        EngineOptions("tpu")


def test_a_named_precision_whose_file_is_missing(tmp_path):
    shutil.copy(CLASSIFIER / "float.onnx", tmp_path)
    with pytest.raises(EngineUnavailableError, match=r"has no int8-cpu\.onnx"):
        load_engine(tmp_path, "classifier", EngineOptions("onnxruntime-cpu", "int8"))


def test_auto_reports_what_it_chose_and_why_nothing_better():
    loaded = load_engine(DETECTOR, "detector")
    assert loaded.engine.name.startswith("onnxruntime-cpu ")
    said = engines_in_words([loaded])
    assert said.startswith(f"engine {loaded.engine.name} (no tensorrt: ")
    assert "no onnxruntime-cuda: this onnxruntime has no CUDA provider" in said
    assert "\n" not in said


def test_int8_is_for_processors_with_a_dot_product(tmp_path, monkeypatch):
    cpuinfo = tmp_path / "cpuinfo"
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    cpuinfo.write_text(VNNI)
    assert has_int8_dot_product(cpuinfo)
    cpuinfo.write_text("flags : sse avx2 avx512f\n")
    assert not has_int8_dot_product(cpuinfo)
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    cpuinfo.write_text("Features : fp asimd asimddp\n")
    assert has_int8_dot_product(cpuinfo)
    assert not has_int8_dot_product(tmp_path / "none")


def test_the_file_of_each_precision(tmp_path):
    (tmp_path / "int8-cpu.onnx").touch()
    assert file_for("onnxruntime-cpu", "int8", tmp_path) == tmp_path / "int8-cpu.onnx"
    assert file_for("tensorrt", "int8", tmp_path) == f"{tmp_path.name} has no int8-trt.onnx"


def crops(count):
    side = read_model_file(CLASSIFIER / "float.onnx", "classifier").contract.input_px
    return np.random.default_rng(1).integers(0, 255, (count, side, side, 3), np.uint8)


def test_a_batch_gives_the_same_on_one_thread_and_on_several():
    one, three = (load_file(CLASSIFIER / "float.onnx", "classifier", threads=n) for n in (1, 3))
    batch = crops(7)
    for a, b in zip(one.run(batch), three.run(batch), strict=True):
        assert np.allclose(a, b, atol=1e-5)


def test_a_model_with_a_fixed_batch_is_padded(tmp_path):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(CLASSIFIER / "float.onnx")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    onnx.save(model, tmp_path / "float.onnx")
    fixed = load_file(tmp_path / "float.onnx", "classifier")
    batch = crops(6)
    free = load_file(CLASSIFIER / "float.onnx", "classifier")
    for a, b in zip(fixed.run(batch), free.run(batch), strict=True):
        assert np.allclose(a, b, atol=1e-5)


def test_a_better_engine_is_used_once_it_agrees(real, metadata, logged):
    go = threading.Event()
    better = _Changed(real)

    def make():
        go.wait(10)
        return better

    engine = HotSwapEngine(real, make, metadata)
    before = engine.run(crops(2))
    assert (engine.name, better.calls) == (real.name, 0)
    go.set()
    engine.wait(10)
    after = engine.run(crops(2))
    assert engine.name == "changed"
    assert np.array_equal(before[0], after[0])
    assert logged.messages == ["classifier: changed is ready, passed its self-check and is now in use"]
    engine.close()
    assert better.closed


def test_a_better_engine_that_disagrees_or_cannot_be_built_is_not_used(real, metadata, logged):
    def fail():
        raise EngineUnavailableError("the builder was killed (SIGKILL)")

    for make, why in ((lambda: _Changed(real, 0.4), "gives different results here"), (fail, "the builder was killed")):
        logged.clear()
        engine = HotSwapEngine(real, make, metadata)
        engine.wait(10)
        engine.run(crops(1))
        assert engine.name == real.name
        assert why in logged.messages[0]
        assert logged.messages[0].startswith(f"classifier: staying on {real.name}")


@pytest.mark.parametrize("add", [0.0, float("nan")])
def test_the_session_continues_when_the_better_engine_fails_later(real, metadata, logged, add):
    better = _Changed(real, fail_on=(3,))
    engine = HotSwapEngine(real, lambda: better, metadata)
    engine.wait(10)
    right = real.run(crops(2))
    engine.run(crops(2))  # the self-check was the first call, this is the second
    assert engine.name == "changed"
    if np.isnan(add):
        better._add, better._fail_on = add, ()
    assert np.array_equal(engine.run(crops(2))[0], right[0])
    assert engine.name == real.name
    assert better.closed
    assert "continuing on" in logged.messages[-1]


def test_close_in_the_middle_of_a_build_closes_what_it_makes(real, metadata):
    go, better = threading.Event(), _Changed(real)

    def make():
        go.wait(10)
        return better

    engine = HotSwapEngine(real, make, metadata)
    engine.close()
    go.set()
    engine.wait(10)
    assert better.closed


def test_words_for_two_networks_name_each_reason_once(real):
    both = [LoadedModel(real, ("no tensorrt: no driver",)), LoadedModel(real, ("no tensorrt: no driver",))]
    assert engines_in_words(both) == f"engine {real.name} (no tensorrt: no driver)"


def test_the_contract_is_in_every_shipped_file():
    for path in models_folder().glob("*/*.onnx"):
        task = "detector" if path.parent.name == "detector" else "classifier"
        assert METADATA_KEY in read_model_file(path, task).metadata


class TestTensorRtForASession:
    """With an engine of ONNX Runtime in place of TensorRT, which this machine may lack."""

    @pytest.fixture(autouse=True)
    def tensorrt_in_name(self, monkeypatch, tmp_path):
        from edge_all.inference.tensorrt import availability
        from edge_all.inference.tensorrt import engine as module

        self.go, self.made = threading.Event(), []

        def stand_in(path, task, *, precision, cache, max_batch, build_memory_mib):  # noqa: ARG001
            logging.getLogger("edge_all.inference.tensorrt.builder").info("building")
            self.go.wait(10)
            self.made.append((path.name, precision, max_batch, build_memory_mib))
            return _Changed(load_file(path.with_name("float.onnx"), task))  # INT8 is not for every processor

        monkeypatch.setenv("EDGE_ALL_STATE", str(tmp_path))
        monkeypatch.setattr(availability, "unavailable", lambda: None)
        monkeypatch.setattr(module, "TensorRtEngine", stand_in)
        yield
        self.go.set()

    def test_auto_starts_on_onnx_runtime_and_switches(self, logged):
        loaded = load_engine(DETECTOR, "detector", EngineOptions(max_batch=8, build_memory_mib=512))
        assert loaded.engine.name.startswith("onnxruntime-cpu")
        field = np.full((1, 96, 96, 3), 235, np.uint8)
        loaded.engine.run(field)
        assert self.made == []
        self.go.set()
        assert isinstance(loaded.engine, HotSwapEngine)
        loaded.engine.wait(10)
        loaded.engine.run(field)
        assert loaded.engine.name == "changed"
        assert self.made == [("int8-trt.onnx", "int8", 8, 512)]
        assert logged.messages[0] == "building"
        loaded.engine.close()

    @pytest.mark.parametrize("wanted", [{"engine": "tensorrt"}, {"wait": True}])
    def test_a_named_engine_and_an_awaited_one_are_there_at_once(self, wanted):
        self.go.set()
        loaded = load_engine(DETECTOR, "detector", EngineOptions(precision="fp16", **wanted))
        assert loaded.engine.name == "changed"
        assert self.made[0][:2] == ("fp16.onnx", "fp16")
