"""Build pycuda in a fresh environment, against CUDA's headers and the stub driver, and run the buffer tests with it.
This is how a machine without a GPU and without CUDA can test the code that a Jetson runs. It takes a few minutes."""

import os
import platform
import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.cuda_stub import generate

ROOT = Path(__file__).resolve().parents[2]
CONSTRAINTS = ROOT / "constraints.txt"
HEADERS = ("nvidia-cuda-runtime", "nvidia-cuda-crt", "nvidia-cuda-profiler-api")
SETTINGS = "CUDA_ENABLE_CURAND = False\nCUDA_ENABLE_GL = False\n"
"""Settings for pycuda's setup.py, which reads them from the home folder. They turn off what edge-all does not use."""


@pytest.mark.timeout(1500)
def test_the_buffer_tests_pass_with_a_pycuda_built_here(tmp_path):
    if shutil.which("g++") is None or not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        pytest.skip("no C++ compiler or no Python.h: apt install g++ python3-dev")
    if platform.system() != "Linux":
        pytest.skip("CUDA's driver is that of Linux here")
    environment = tmp_path / "env"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    (site,) = environment.glob("lib/python3*/site-packages")
    # The tests' own packages are those of the environment that runs this.
    (site / "tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--constraint", CONSTRAINTS]
    subprocess.run([*install, "--no-deps", "--target", tmp_path / "headers", *HEADERS], check=True)
    cuda = tmp_path / "headers" / "nvidia" / "cu13"
    home, stub = tmp_path / "home", tmp_path / "stub"
    home.mkdir()
    stub.mkdir()
    (home / ".aksetup-defaults.py").write_text(SETTINGS)
    environ = os.environ | {
        "HOME": str(home),
        "CUDA_ROOT": str(cuda),
        "CUDA_INCLUDE": str(cuda / "include"),
        "CPATH": str(cuda / "include"),
        "LIBRARY_PATH": str(stub),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "export")]),
    }
    os.environ["CUDA_INCLUDE"] = environ["CUDA_INCLUDE"]
    try:
        generate.build(stub)
    finally:
        del os.environ["CUDA_INCLUDE"]
    # Not from pip's cache, nor into it, because this build lacks parts that other programs may want.
    subprocess.run([*install, "--no-cache-dir", "pycuda"], check=True, env=environ)
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/inference/test_tensorrt_buffers.py"],
        capture_output=True, text=True, cwd=ROOT, env=environ, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    assert "skipped" not in done.stdout, done.stdout[-1000:]
    assert int(done.stdout.rstrip().splitlines()[-1].split(" passed")[0].split()[-1]) >= 25
