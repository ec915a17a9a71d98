"""Which of a model's files an engine runs at which precision."""

from __future__ import annotations

import platform
from pathlib import Path

PRECISIONS = ("auto", "int8", "fp16", "fp32")
ENGINES = ("tensorrt", "onnxruntime-cuda", "onnxruntime-cpu")
"""Best first."""

_FILES = {
    "tensorrt": {"int8": "int8-trt", "fp16": "fp16", "fp32": "float"},
    # ONNX Runtime's CUDA kernels take INT8 apart into float again: slower than FP16, and no use.
    "onnxruntime-cuda": {"fp16": "fp16", "fp32": "float"},
    # FP16 on a CPU is float with conversions around it.
    "onnxruntime-cpu": {"int8": "int8-cpu", "fp32": "float"},
}


def file_for(engine: str, precision: str, folder: Path) -> Path | str:
    """The file in a model's folder, or why there is none, in words. precision: not "auto"."""
    name = _FILES[engine].get(precision)
    if name is None:
        return f"{engine} gains nothing from {precision}"
    path = folder / f"{name}.onnx"
    return path if path.is_file() else f"{folder.name} has no {name}.onnx"


def precisions_of(engine: str) -> tuple[str, ...]:
    """What "auto" tries, best first."""
    names = tuple(_FILES[engine])
    if engine == "onnxruntime-cpu" and not has_int8_dot_product():
        return tuple(n for n in names if n != "int8")
    return names


def has_int8_dot_product(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this CPU multiplies bytes and sums them in one instruction (x86: VNNI, Arm: dot product). Without, INT8
    is no faster than float; on x86 its sums of 16 bits can overflow besides."""
    try:
        text = cpuinfo.read_text()
    except OSError:
        return False
    lines = [line for line in text.splitlines() if line.lower().startswith(("flags", "features"))]
    words = set(lines[0].partition(":")[2].split()) if lines else set()
    wanted = {"asimddp"} if platform.machine() == "aarch64" else {"avx512_vnni", "avx_vnni"}
    return bool(words & wanted)
