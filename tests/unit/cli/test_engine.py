"""edge-all engine: what it prints, and one line where nothing can be built."""

import logging
import os

import pytest

from edge_all.errors import EngineUnavailableError
from edge_all.inference.onnx_file import read_model_file
from edge_all.inference.tensorrt import api
from edge_all.inference.tensorrt.cache import EngineCache
from edge_all.inference.tensorrt.cuda import gpu
from edge_all.inference.tensorrt.cuda.gpu import Gpu
from edge_all.inference.tensorrt.key import engine_key
from edge_all.inference.tensorrt.shapes import InputShapes

HERE = Gpu("Orin", (8, 7), True, True, 12060, "CUDA 12.6, R36")
SHAPES = InputShapes((1, 80, 80, 3), (8, 80, 80, 3), (32, 80, 80, 3))


class Api:
    flavour, version = "tensorrt", "10.3.0"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_ALL_STATE", str(tmp_path / "state"))
    return EngineCache()


def key(**different):
    values = {"version": "10.3.0", "precision": "int8"} | different
    return engine_key("ab" * 32, "tensorrt", values["version"], HERE, values["precision"], SHAPES)


def test_nothing_can_be_built_without_a_driver(edge_all, cache, monkeypatch):
    monkeypatch.setattr(gpu, "LIBRARY", "libcuda-that-is-not-there.so.1")
    done = edge_all("engine", "build")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "no NVIDIA driver" in done.stderr
    assert "JetPack" in done.stderr
    assert not cache.folder.exists()


def test_a_model_that_is_not_there(edge_all, cache, monkeypatch, tmp_path):  # noqa: ARG001
    monkeypatch.setattr("edge_all.inference.tensorrt.availability.unavailable", lambda: None)
    (tmp_path / "models" / "detector").mkdir(parents=True)
    done = edge_all("engine", "build", "--models", tmp_path / "models")
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1
    assert "no detector to build (detector has no int8-trt.onnx; detector has no fp16.onnx; " in done.stderr


def test_build_takes_the_lowest_precision_and_the_profiles_limits(edge_all, cache, monkeypatch):
    made: list = []

    class Engine:
        def __init__(self, path, task, **rest):
            made.append((task, path.name, rest["precision"], rest["max_batch"], rest["build_memory_mib"]))
            self.name = f"tensorrt-10.3 {rest['precision']}"
            assert rest["cache"].folder == cache.folder
            logging.getLogger("edge_all.inference.tensorrt.builder").info("half\x1b way")

        def close(self):
            made.append("closed")

    monkeypatch.setattr("edge_all.inference.tensorrt.availability.unavailable", lambda: None)
    monkeypatch.setattr("edge_all.inference.tensorrt.engine.TensorRtEngine", Engine)
    monkeypatch.setattr(
        "edge_all.inference.self_check.self_check", lambda engine, _: made.append(engine.name) or 0.0123
    )
    done = edge_all("engine", "build", "--profile", "jetson-orin-nano")
    assert done.exit_code == 0, done.stderr
    (detector, checked, closed, classifier, _, _) = made
    assert (checked, closed) == ("tensorrt-10.3 int8", "closed")
    assert detector[:4] == ("detector", "int8-trt.onnx", "int8", 16)
    assert detector[4]
    assert classifier[0] == "classifier"
    assert (
        done.stdout.splitlines()[0]
        == "detector: tensorrt-10.3 int8 is ready, 0.012 at most from the model's stored answers"
    )
    assert "detector: half? way" in done.stderr
    made.clear()
    assert edge_all("engine", "build", "--precision", "fp16").exit_code == 0
    assert [one[1:4] for one in made[::3]] == [("fp16.onnx", "fp16", 32)] * 2


def test_an_engine_with_other_answers_is_an_error_and_closed(edge_all, cache, monkeypatch):  # noqa: ARG001
    """The real self-check on an engine that answers with zeros."""
    import numpy as np

    closed = []

    class Zeros:
        name = "tensorrt-10.3 int8"

        def __init__(self, path, task, **_):
            self.contract = read_model_file(path, task).contract

        def run(self, batch):
            n, height, width, _ = batch.shape
            return np.zeros((n, 2, height // 4, width // 4)), np.zeros((n, 1, height // 4, width // 4))

        def close(self):
            closed.append(True)

    monkeypatch.setattr("edge_all.inference.tensorrt.availability.unavailable", lambda: None)
    monkeypatch.setattr("edge_all.inference.tensorrt.engine.TensorRtEngine", Zeros)
    done = edge_all("engine", "build")
    assert done.exit_code == 1
    assert "gives different results here" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert closed == [True]


def test_list_and_clear(edge_all, cache, monkeypatch):
    assert "No engines in" in edge_all("engine", "list").stdout
    cache.store(key(), b"x" * 1_500_000, "detector leukocyte-net 1.0")
    cache.store(key(version="8.6.2"), b"old", "classifier of the past")
    cache.store(key(precision="fp16"), b"cut", "unseen")
    path = cache.path_of(key(precision="fp16"))
    path.write_bytes(path.read_bytes()[:-1])

    monkeypatch.setattr(gpu, "read_gpu", lambda: HERE)
    monkeypatch.setattr(api, "load_api", Api)
    done = edge_all("engine", "list")
    assert done.exit_code == 0
    states = {line.split()[0]: line.rstrip().split("  ")[-1].strip() for line in done.stdout.splitlines()}
    assert "1.5 MB" in done.stdout
    assert states["detector"] == "good"
    assert states["classifier"] == "foreign"
    assert states[path.name] == "damaged: it is truncated"

    def no_gpu():
        raise EngineUnavailableError("no GPU", "buy one")

    monkeypatch.setattr(gpu, "read_gpu", no_gpu)
    assert "good" not in edge_all("engine", "list").stdout

    done = edge_all("engine", "clear")
    assert done.stdout.startswith("3 engines removed")
    assert cache.entries() == []


def test_a_cache_folder_that_cannot_be_used(edge_all, cache):
    cache.folder.parent.mkdir()
    cache.folder.write_text("in the way")
    for command in ("list", "clear"):
        done = edge_all("engine", command)
        assert done.exit_code == 1
        assert "cannot store engines in" in done.stderr
        assert "EDGE_ALL_STATE" in done.stderr


@pytest.mark.parametrize("command", ["build", "list", "clear"])
def test_every_command_has_help_with_an_example(edge_all, command):
    done = edge_all("engine", command, "--help")
    assert done.exit_code == 0
    assert f"edge-all engine {command}" in done.stdout.replace("Usage: edge-all engine", "")


def test_the_group_alone_shows_help(edge_all):
    assert "build" in edge_all("engine").stdout


def test_nothing_heavy_is_loaded_for_help():
    import subprocess
    import sys

    code = (
        "import sys; from edge_all.cli.main import main\n"
        "try: main(['engine', '--help'])\n"
        "except SystemExit: pass\n"
        "print([n for n in ('numpy', 'tensorrt', 'tensorrt_rtx', 'pycuda') if n in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True)
    assert done.stderr.strip() == "[]"
