"""The missing part, in one line with its remedy."""

import importlib.machinery
import importlib.metadata
import importlib.util
import sys

import pytest

from edge_all.errors import EngineUnavailableError
from edge_all.inference.tensorrt import availability
from edge_all.inference.tensorrt.api import load_api
from edge_all.inference.tensorrt.cuda import gpu


class Driver:
    """Answers as libcuda does."""

    def __init__(self, init=0, devices=1, cuda=12060, attributes=None):
        self.init, self.devices, self.cuda = init, devices, cuda
        self.attributes = {18: 1, 19: 1, 75: 8, 76: 7} | (attributes or {})

    def cuInit(self, _flags):  # noqa: N802
        return self.init

    def cuDriverGetVersion(self, out):  # noqa: N802
        out._obj.value = self.cuda

    def cuDeviceGetCount(self, out):  # noqa: N802
        out._obj.value = self.devices
        return 0

    def cuDeviceGet(self, out, number):  # noqa: N802
        out._obj.value = number

    def cuDeviceGetName(self, out, _size, _device):  # noqa: N802
        out.value = b"Orin"

    def cuDeviceGetAttribute(self, out, which, _device):  # noqa: N802
        out._obj.value = self.attributes[which]

    def cuGetErrorName(self, _code, out):  # noqa: N802
        out._obj.value = b"CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"


@pytest.fixture
def machine(monkeypatch):
    """Has a GPU with a new driver, and these packages: import name -> (distribution, version)."""

    def make(driver=None, **packages):
        monkeypatch.setattr(gpu, "_library", lambda: driver or Driver())
        find, version = importlib.util.find_spec, importlib.metadata.version
        versions = dict(packages.values())

        def find_spec(name):
            if name in ("tensorrt", "tensorrt_rtx", "pycuda"):
                return importlib.machinery.ModuleSpec(name, None) if name in packages else None
            return find(name)

        def version_of(name):
            if name.startswith(("tensorrt", "pycuda")):
                if name not in versions:
                    raise importlib.metadata.PackageNotFoundError(name)
                return versions[name]
            return version(name)

        monkeypatch.setattr(importlib.util, "find_spec", find_spec)
        monkeypatch.setattr(importlib.metadata, "version", version_of)

    return make


JETPACK = {"tensorrt": ("tensorrt", "10.3.0"), "pycuda": ("pycuda", "2024.1")}
RTX = {"tensorrt_rtx": ("tensorrt-rtx-cu13", "1.7.1"), "pycuda": ("pycuda", "2026.1")}


@pytest.mark.parametrize(
    ("driver", "packages"),
    [
        (Driver(), JETPACK),
        (Driver(cuda=11040), {"tensorrt": ("tensorrt", "8.6.2"), "pycuda": ("pycuda", "2022.2")}),
        (Driver(cuda=13000), RTX),
        (Driver(cuda=12020), {"tensorrt": ("tensorrt-cu12", "10.9.0"), "pycuda": ("pycuda", "2024.1")}),
        (Driver(), {"tensorrt": ("built-by-hand", "1"), "pycuda": ("pycuda", "2024.1")}),
    ],
    ids=["JetPack 6", "JetPack 5", "RTX", "pip's", "without a package"],
)
def test_it_can_run(machine, driver, packages):
    machine(driver, **packages)
    assert availability.unavailable() is None


@pytest.mark.parametrize(
    ("driver", "packages", "what", "remedy"),
    [
        (Driver(init=100), JETPACK, "finds no GPU", "nvidia-smi"),
        (Driver(devices=0), JETPACK, "finds no GPU", "CUDA_VISIBLE_DEVICES"),
        (Driver(init=803), JETPACK, "803, CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "restart"),
        (Driver(), {}, "TensorRT is not installed", "apt install python3-libnvinfer"),
        (Driver(), {"pycuda": ("pycuda", "1")}, "TensorRT is not installed", "python3-libnvinfer"),
        (Driver(), {"tensorrt": ("tensorrt", "10.3.0")}, "pycuda is not", r"edge-all\[jetson\]"),
        (Driver(), {"tensorrt": ("tensorrt", "8.5.2")}, "8.5.2 is too old", "JetPack 6"),
        (Driver(cuda=12060), RTX, r"supports CUDA 12.6, .* requires CUDA 13", "newer driver"),
        (Driver(cuda=10020), JETPACK, r"supports CUDA 10.2, .* requires CUDA 11", "JetPack"),
        (Driver(cuda=11080), {**JETPACK, "tensorrt": ("tensorrt", "11.1.0")}, "requires CUDA 12", "newer driver"),
    ],
)
def test_each_missing_part_is_named(machine, driver, packages, what, remedy):
    machine(driver, **packages)
    error = availability.unavailable()
    assert isinstance(error, EngineUnavailableError)
    import re

    assert re.search(what, error.message), error
    assert re.search(remedy, error.remedy), error
    assert "\n" not in str(error)


def test_no_driver_at_all(monkeypatch):
    monkeypatch.setattr(gpu, "LIBRARY", "libcuda-that-is-not-there.so.1")
    error = availability.unavailable()
    assert "no NVIDIA driver (libcuda-that-is-not-there.so.1 is missing)" in error.message
    assert "JetPack" in error.remedy


def test_nothing_heavy_is_loaded_to_find_out(machine):
    machine(Driver(), **JETPACK)
    before = set(sys.modules)
    availability.unavailable()
    assert not {"tensorrt", "tensorrt_rtx", "pycuda", "pycuda.driver"} & (set(sys.modules) - before)


@pytest.mark.parametrize(
    ("attributes", "zero_copy"),
    [({}, True), ({18: 0}, False), ({19: 0}, False), ({75: 7, 76: 2}, True), ({75: 5, 76: 3}, False)],
    ids=["Orin", "a card", "cannot map", "Xavier", "the first Nano"],
)
def test_zero_copy(monkeypatch, attributes, zero_copy):
    monkeypatch.setattr(gpu, "_library", lambda: Driver(attributes=attributes))
    assert gpu.read_gpu().zero_copy is zero_copy


def test_the_driver_version_is_read_or_unknown(tmp_path):
    (tmp_path / "a").write_text("# R36 (release), REVISION: 4.0,  GCID: 1\nmore\n")
    (tmp_path / "empty").write_text("")
    files = (str(tmp_path / "absent"), str(tmp_path / "empty"), str(tmp_path / "a"))
    assert gpu.driver_version(files) == "# R36 (release), REVISION: 4.0, GCID: 1"
    assert gpu.driver_version(files[:2]) == "unknown"


def test_a_tensorrt_that_does_not_load(tmp_path, monkeypatch):
    (tmp_path / "broken_tensorrt.py").write_text("raise ImportError('libnvinfer.so.10: cannot open')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EngineUnavailableError, match=r"libnvinfer.so.10: cannot open.*reinstall"):
        load_api("broken_tensorrt")


def test_a_pycuda_that_does_not_load(tmp_path, monkeypatch):
    from edge_all.inference.tensorrt.cuda.context import GpuContext

    (tmp_path / "pycuda").mkdir()
    (tmp_path / "pycuda" / "__init__.py").write_text("")
    (tmp_path / "pycuda" / "driver.py").write_text("raise ImportError('libcurand.so.10: cannot open')")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [n for n in sys.modules if n.split(".")[0] == "pycuda"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(EngineUnavailableError, match=r"pycuda cannot be loaded \(libcurand.so.10.*build it again"):
        GpuContext()
    for name in [n for n in sys.modules if n.split(".")[0] == "pycuda"]:
        del sys.modules[name]
