"""Why TensorRT cannot run here. Looks for each part without loading it, the driver excepted."""

from __future__ import annotations

import importlib.metadata
import importlib.util

from edge_all.engines.tensorrt.gpu import Gpu, in_words, read_gpu
from edge_all.errors import EngineUnavailableError

MODULES = ("tensorrt", "tensorrt_rtx")
"""Import packages of TensorRT's two flavours; the first that is installed is taken."""
_LEAST = "8.6"


def unavailable() -> EngineUnavailableError | None:
    """None where TensorRT can run, else the first part that is missing, with its remedy."""
    try:
        gpu = read_gpu()
    except EngineUnavailableError as error:
        return error
    return missing_package() or _old_driver(gpu)


def installed_module() -> str | None:
    """The import package of the TensorRT that would be taken."""
    return next((name for name in MODULES if importlib.util.find_spec(name) is not None), None)


def missing_package() -> EngineUnavailableError | None:
    """TensorRT or pycuda, whichever is missing."""
    module = installed_module()
    if module is None:
        return EngineUnavailableError(
            "TensorRT is not installed",
            "on a Jetson: apt install python3-libnvinfer, and a venv made with --system-site-packages; "
            "elsewhere: pip install tensorrt-rtx-cu13, or NVIDIA's tensorrt",
        )
    version = installed_version(module)
    if version and _numbers(version) < _numbers(_LEAST) and module == "tensorrt":
        return EngineUnavailableError(
            f"TensorRT {version} is too old, {_LEAST} or later is needed", "install a newer one (JetPack 6 has 10.3)"
        )
    if importlib.util.find_spec("pycuda") is None:
        return EngineUnavailableError(
            "TensorRT is there, but pycuda is not", "pip install 'edge-all[jetson]' (builds pycuda; it needs nvcc)"
        )
    return None


def installed_version(module: str) -> str:
    """As its package says; "" where it came without one."""
    for name in _distributions(module):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return ""


def needed_cuda(module: str) -> int:
    """Major version of CUDA that this TensorRT needs the driver to know. Packages name it (tensorrt-cu13); Debian's,
    as on a Jetson, come with the driver they fit, and 11 is what TensorRT 8.6 and 10 start from."""
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
        f"the NVIDIA driver is too old: it knows CUDA {in_words(gpu.cuda)}, the TensorRT here needs CUDA {needed}",
        "install a newer driver (a newer JetPack), or the TensorRT for this driver's CUDA",
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
