"""Our own build code with the real builder of TensorRT-RTX, which needs no GPU, in its process: what it builds, keeps
and finds again."""

import importlib.util
import os
import signal
import subprocess

import pytest

from edge_all.errors import EngineUnavailableError, ModelError
from edge_all.inference.onnx_file import read_model_file
from edge_all.inference.tensorrt.api import load_api
from edge_all.inference.tensorrt.build import BuildRequest
from edge_all.inference.tensorrt.builder import build_in_process
from edge_all.inference.tensorrt.cache import EngineCache
from edge_all.inference.tensorrt.checked_file import read_checked
from edge_all.inference.tensorrt.cuda.gpu import Gpu
from edge_all.inference.tensorrt.key import engine_key
from edge_all.inference.tensorrt.plans import stored_or_built
from edge_all.inference.tensorrt.shapes import input_shapes
from edge_all.modelstore.shipped import models_folder
from tests.helpers.logged_lines import lines_to

if importlib.util.find_spec("tensorrt_rtx") is None:
    pytest.skip("the builder is not installed: make workstation installs it", allow_module_level=True)

GPU = Gpu("A GPU of 8.6", (8, 6), False, True, 13000, "test")
FILES = [
    ("detector", "int8"),
    ("detector", "fp16"),
    ("detector", "fp32"),
    ("classifier", "fp16"),
]
NAMES = {"int8": "int8-trt", "fp16": "fp16", "fp32": "float"}


def request_for(task, precision, **rest):
    path = models_folder() / task / f"{NAMES[precision]}.onnx"
    shapes = input_shapes(read_model_file(path, task).contract, 32)
    return BuildRequest(path, precision, shapes, capability=(8, 6), **rest)


def key_for(task, request):
    file = read_model_file(request.model, task)
    api = load_api("tensorrt_rtx")
    return engine_key(file.identity.sha256, api.flavour, api.version, GPU, request.precision, request.shapes)


@pytest.mark.parametrize(("task", "precision"), FILES)
def test_it_builds_keeps_and_finds_again(tmp_path, logged, task, precision):
    cache = EngineCache(tmp_path / "engines")
    request = request_for(task, precision, memory_mib=1024)
    key = key_for(task, request)
    plan = stored_or_built(cache, key, request, "tensorrt_rtx", task)
    assert len(plan) > 100_000
    assert logged.messages[0].startswith("tensorrt-rtx-1.")
    assert logged.messages[-1].startswith("built in ")
    assert not list(cache.folder.glob(".*")), "the plan's temporary file stayed"

    def build_again(*_):
        raise AssertionError("it was built though it was there")

    assert stored_or_built(cache, key, request, "tensorrt_rtx", task, build_again) == plan
    damaged = bytearray(cache.path_of(key).read_bytes())
    damaged[-1] ^= 1
    cache.path_of(key).write_bytes(damaged)
    assert stored_or_built(cache, key, request, "tensorrt_rtx", task)
    assert any("damaged" in line for line in logged.messages)
    assert cache.load(key)


def test_timings_are_kept(tmp_path):
    request = request_for("classifier", "fp16", timings=tmp_path / "t.timings")
    build_in_process(request, tmp_path / "plan", "tensorrt_rtx")
    first = read_checked(request.timings).payload
    assert first
    build_in_process(request, tmp_path / "plan", "tensorrt_rtx")
    # Not written by TensorRT, so it is skipped and made again.
    request.timings.write_bytes(b"strange")
    build_in_process(request, tmp_path / "plan", "tensorrt_rtx")
    assert read_checked(request.timings).payload


def test_timings_that_only_look_right_are_passed_over(tmp_path):
    from edge_all.inference.tensorrt.checked_file import write_checked

    request = request_for("classifier", "fp16", timings=tmp_path / "t.timings")
    write_checked(request.timings, {}, os.urandom(500))
    build_in_process(request, tmp_path / "plan", "tensorrt_rtx")
    assert (tmp_path / "plan").stat().st_size > 100_000


def test_a_file_that_tensorrt_rejects_is_reported_with_the_reason(tmp_path):
    """The file for the CPU has zero points."""
    path = models_folder() / "detector" / "int8-cpu.onnx"
    shapes = input_shapes(read_model_file(path, "detector").contract, 32)
    with pytest.raises((ModelError, EngineUnavailableError), match="tensorrt-rtx-1") as caught:
        build_in_process(BuildRequest(path, "int8", shapes, capability=(8, 6)), tmp_path / "p", "tensorrt_rtx")
    assert "\n" not in str(caught.value)
    assert caught.value.remedy


def test_a_file_that_is_not_a_model(tmp_path):
    path = tmp_path / "fp16.onnx"
    path.write_bytes(b"no model")
    request = BuildRequest(path, "fp16", request_for("classifier", "fp16").shapes, capability=(8, 6))
    with pytest.raises(ModelError, match="rejects"):
        build_in_process(request, tmp_path / "p", "tensorrt_rtx")


def test_an_orin_is_not_built_for_by_rtx(tmp_path):
    request = request_for("classifier", "fp16")
    request = BuildRequest(request.model, "fp16", request.shapes, capability=(8, 7))
    with pytest.raises(EngineUnavailableError, match="SM87"):
        build_in_process(request, tmp_path / "p", "tensorrt_rtx")


def test_a_builder_killed_in_the_middle_leaves_nothing(tmp_path, monkeypatch):
    """The real builder, killed as the kernel kills for memory: one line, no engine, and the next build works."""
    cache = EngineCache(tmp_path / "engines")
    request = request_for("detector", "int8")
    key = key_for("detector", request)
    started = []
    popen = subprocess.Popen

    def remember(*arguments, **options):
        started.append(popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", remember)

    def kill(line):
        if "is building" in line:
            started[-1].send_signal(signal.SIGKILL)

    with lines_to(kill), pytest.raises(EngineUnavailableError, match=r"killed \(SIGKILL\)"):
        stored_or_built(cache, key, request, "tensorrt_rtx", "m")
    assert cache.load(key) is None
    assert not list(cache.folder.glob(".*"))
    assert stored_or_built(cache, key, request, "tensorrt_rtx", "m")
