"""Facts about the NVIDIA driver and the GPU, read without a CUDA context and without pycuda."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path

from edge_all.errors import EngineUnavailableError

LIBRARY = "libcuda.so.1"
_NO_DEVICE = 100
_ATTRIBUTES = {"integrated": 18, "can_map_host_memory": 19, "major": 75, "minor": 76}
"""Numbers of CUdevice_attribute (cuda.h)."""
_VERSION_FILES = ("/sys/module/nvidia/version", "/proc/driver/nvidia/version", "/etc/nv_tegra_release")
_COHERENT = (7, 2)
"""Lowest compute capability at which a Jetson's CPU and GPU cache mapped memory. Below it, mapped memory is uncached
and a copy is faster (CUDA for Tegra, memory management)."""


@dataclass(frozen=True)
class Gpu:
    """The first GPU allowed by CUDA_VISIBLE_DEVICES."""

    name: str
    capability: tuple[int, int]
    """Compute capability."""
    integrated: bool
    """True if the GPU shares the CPU's memory, as on a Jetson."""
    can_map: bool
    """True if the GPU can read page-locked memory of the CPU."""
    cuda: int
    """Newest CUDA version that the driver supports; 12060 is 12.6."""
    driver: str
    """Text that identifies the driver version."""

    @property
    def zero_copy(self) -> bool:
        """True if batches are best left in the CPU's memory instead of being copied."""
        return self.integrated and self.can_map and self.capability >= _COHERENT


def read_gpu() -> Gpu:
    """Read the facts of the first GPU.

    Raises:
        EngineUnavailableError: when there is no driver or no GPU, or the driver does not start.
    """
    library = _library()
    code = int(library.cuInit(0))
    cuda = ctypes.c_int()
    library.cuDriverGetVersion(ctypes.byref(cuda))
    count = ctypes.c_int()
    if code == 0:
        code = int(library.cuDeviceGetCount(ctypes.byref(count)))
    if code == _NO_DEVICE or (code == 0 and count.value == 0):
        raise EngineUnavailableError(
            "the NVIDIA driver finds no GPU",
            "check nvidia-smi (on a Jetson, tegrastats) and CUDA_VISIBLE_DEVICES; in a container, pass the GPU through",
        )
    if code != 0:
        raise EngineUnavailableError(
            f"the NVIDIA driver does not start (CUDA error {code}, {_error_name(library, code)})",
            "restart the machine; if the error persists, install the driver again (on a Jetson: JetPack)",
        )
    device = ctypes.c_int()
    library.cuDeviceGet(ctypes.byref(device), 0)
    name = ctypes.create_string_buffer(256)
    library.cuDeviceGetName(name, len(name), device)
    found = {what: _attribute(library, number, device) for what, number in _ATTRIBUTES.items()}
    return Gpu(
        name.value.decode(errors="replace"),
        (found["major"], found["minor"]),
        bool(found["integrated"]),
        bool(found["can_map_host_memory"]),
        cuda.value,
        f"CUDA {in_words(cuda.value)}, {driver_version()}",
    )


def in_words(cuda: int) -> str:
    """Format a CUDA version number, for example 12060 as "12.6"."""
    return f"{cuda // 1000}.{cuda % 1000 // 10}"


def driver_version(files: tuple[str, ...] = _VERSION_FILES) -> str:
    """Return the version line from the driver's own files, or "unknown" without them."""
    for file in files:
        try:
            return " ".join(Path(file).read_text(errors="replace").splitlines()[0].split())[:120]
        except (OSError, IndexError):
            continue
    return "unknown"


def _library() -> ctypes.CDLL:
    try:
        return ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise EngineUnavailableError(
            f"no NVIDIA driver ({LIBRARY} is missing)",
            "install the driver (on a Jetson it is part of JetPack; in a container: --runtime nvidia)",
        ) from error


def _attribute(library: ctypes.CDLL, number: int, device: ctypes.c_int) -> int:
    value = ctypes.c_int()
    library.cuDeviceGetAttribute(ctypes.byref(value), number, device)
    return value.value


def _error_name(library: ctypes.CDLL, code: int) -> str:
    text = ctypes.c_char_p()
    library.cuGetErrorName(code, ctypes.byref(text))
    return text.value.decode() if text.value else "unknown"
