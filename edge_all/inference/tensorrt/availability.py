"""Availability of TensorRT on this machine. Apart from the driver, parts are located without loading them."""

from __future__ import annotations

import importlib.metadata
import importlib.util

from edge_all.errors import EngineUnavailableError
from edge_all.inference.tensorrt.cuda.gpu import Gpu, in_words, read_gpu

MODULES = ("tensorrt", "tensorrt_rtx")
"""Import packages of TensorRT's two editions; the first installed one is used."""
_LEAST = "8.6"


def unavailable() -> EngineUnavailableError | None:
    """Return None if TensorRT can run, or an error for the first missing part."""
    try:
        gpu = read_gpu()
    except EngineUnavailableError as error:
        return error
    return missing_package() or _old_driver(gpu)


def installed_module() -> str | None:
    """Return the import package of the TensorRT that would be used, or None without one."""
    return next((name for name in MODULES if importlib.util.find_spec(name) is not None), None)


def missing_package() -> EngineUnavailableError | None:
    """Return an error if TensorRT or pycuda is missing or too old, or None."""
    module = installed_module()
    if module is None:
        return EngineUnavailableError(
            "TensorRT is not installed",
            "on a Jetson: apt install python3-libnvinfer, and create the venv with --system-site-packages; "
            "elsewhere: pip install tensorrt-rtx-cu13, or NVIDIA's tensorrt",
        )
    version = installed_version(module)
    if version and _numbers(version) < _numbers(_LEAST) and module == "tensorrt":
        return EngineUnavailableError(
            f"TensorRT {version} is too old; {_LEAST} or later is required", "install a newer one (JetPack 6 has 10.3)"
        )
    if importlib.util.find_spec("pycuda") is None:
        return EngineUnavailableError(
            "TensorRT is installed, but pycuda is not", "pip install 'edge-all[jetson]' (builds pycuda; requires nvcc)"
        )
    return None


def installed_version(module: str) -> str:
    """Return the version of TensorRT's package, or "" without a package."""
    for name in _distributions(module):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return ""


def needed_cuda(module: str) -> int:
    """Return the major CUDA version that this TensorRT requires of the driver.

    Python packages name it (tensorrt-cu13). Debian packages, as on a Jetson, come with a matching driver, and
    TensorRT 8.6 and 10 require at least 11.
    """
    for name in _distributions(module):
        suffix = name.rpartition("-cu")[2]
        if suffix.isdigit():
            try:
                importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                continue
            return int(suffix)
    version = installed_version(module)
    return 12 if version and _numbers(version) >= (11,) else 11


def _distributions(module: str) -> tuple[str, ...]:
    base = module.replace("_", "-")
    return (*(f"{base}-cu{major}" for major in (14, 13, 12, 11)), base)


def _old_driver(gpu: Gpu) -> EngineUnavailableError | None:
    module = installed_module()
    needed = needed_cuda(module) if module else 0
    if gpu.cuda // 1000 >= needed:
        return None
    return EngineUnavailableError(
        f"the NVIDIA driver is too old; it supports CUDA {in_words(gpu.cuda)}, but TensorRT requires CUDA {needed}",
        "install a newer driver (a newer JetPack), or a TensorRT for this driver's CUDA",
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
