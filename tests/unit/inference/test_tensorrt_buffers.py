"""The buffer code with the real pycuda on a stub driver (tests/cuda_stub): each check in a process of its own, since
the driver is loaded once a process and what touches freed memory dies."""

import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cuda_stub import generate

ROOT = Path(__file__).resolve().parents[3]
MODULES = ("checks", "engine_checks")


def checks_in(module: str) -> list[str]:
    """Functions without arguments that are not part of the others."""
    tree = ast.parse((ROOT / "tests" / "cuda_stub" / f"{module}.py").read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [f.name for f in functions if f.name != "clean" and not (f.args.args or f.args.vararg)]


@pytest.fixture(scope="session")
def stub_driver(tmp_path_factory) -> Path:
    """Folder of the stub libcuda.so.1."""
    if importlib.util.find_spec("pycuda") is None:
        pytest.skip("pycuda is not installed: make test-cuda builds it and runs these")
    try:
        return generate.build(tmp_path_factory.mktemp("cuda_stub")).parent
    except generate.CannotBuildError as error:
        pytest.skip(f"the stub driver cannot be built: {error}")


def run(stub_driver: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=100,
        env=os.environ | {"LD_LIBRARY_PATH": str(stub_driver)} | environment,
    )


@pytest.mark.parametrize(("module", "check"), [(m, c) for m in MODULES for c in checks_in(m)])
def test_on_the_stub(stub_driver, tmp_path, module, check):
    done = run(stub_driver, "-m", f"tests.cuda_stub.{module}", check, str(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:] or f"killed, status {done.returncode}"
    assert done.stdout == "passed\n"


def test_each_module_has_checks():
    assert [len(checks_in(module)) >= 10 for module in MODULES] == [True, True]


SAYS = """
from edge_all.inference.tensorrt.cuda.gpu import read_gpu
from edge_all.errors import EngineUnavailableError
try:
    gpu = read_gpu()
    print(gpu.name, gpu.capability, gpu.cuda, gpu.zero_copy)
except EngineUnavailableError as error:
    print("unavailable:", error)
"""


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({}, "Stub GPU (8, 7) 13000 False"),
        ({"STUB_INTEGRATED": "1", "STUB_CUDA": "12060"}, "Stub GPU (8, 7) 12060 True"),
        ({"STUB_DEVICES": "0"}, "unavailable: the NVIDIA driver finds no GPU: check nvidia-smi"),
        ({"STUB_INIT": "803"}, "unavailable: the NVIDIA driver does not start (CUDA error 803, CUDA_ERROR_803)"),
    ],
    ids=["a card", "a Jetson", "no GPU", "a driver that does not start"],
)
def test_the_driver_is_asked(stub_driver, environment, says):
    assert run(stub_driver, "-c", SAYS, **environment).stdout.startswith(says)
