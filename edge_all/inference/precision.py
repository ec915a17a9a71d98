"""Model file that an engine runs at each precision."""

from __future__ import annotations

import platform
from pathlib import Path

PRECISIONS = ("auto", "int8", "fp16", "fp32")
ENGINES = ("tensorrt", "onnxruntime-cuda", "onnxruntime-cpu")
"""Engines, best first."""

_FILES = {
    "tensorrt": {"int8": "int8-trt", "fp16": "fp16", "fp32": "float"},
    # ONNX Runtime's CUDA kernels convert INT8 back to float, which is slower than FP16.
    "onnxruntime-cuda": {"fp16": "fp16", "fp32": "float"},
    # On a CPU, FP16 runs as float with conversions around it.
    "onnxruntime-cpu": {"int8": "int8-cpu", "fp32": "float"},
}


def file_for(engine: str, precision: str, folder: Path) -> Path | str:
    """Return the file in a model's folder, or the reason why there is none. ``precision`` must not be "auto"."""
    name = _FILES[engine].get(precision)
    if name is None:
        return f"{engine} does not benefit from {precision}"
    path = folder / f"{name}.onnx"
    return path if path.is_file() else f"{folder.name} has no {name}.onnx"


def precisions_of(engine: str) -> tuple[str, ...]:
    """Return the precisions that "auto" tries, best first."""
    names = tuple(_FILES[engine])
    if engine == "onnxruntime-cpu" and not has_int8_dot_product():
        return tuple(n for n in names if n != "int8")
    return names


def has_int8_dot_product(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Return whether this CPU multiplies and sums bytes in one instruction (x86: VNNI, Arm: dot product).

    Without it, INT8 is not faster than float, and on x86 its 16-bit sums can overflow.
    """
    try:
        text = cpuinfo.read_text()
    except OSError:
        return False
    lines = [line for line in text.splitlines() if line.lower().startswith(("flags", "features"))]
    words = set(lines[0].partition(":")[2].split()) if lines else set()
    wanted = {"asimddp"} if platform.machine() == "aarch64" else {"avx512_vnni", "avx_vnni"}
    return bool(words & wanted)
