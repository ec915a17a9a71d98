"""An ONNX model in memory: its opset, its bytes, an ONNX Runtime session on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx

if TYPE_CHECKING:
    pass


OPSET = 17


IR_VERSION = 10
"""IR version of the files; onnxruntime 1.23.2, the newest for Python 3.10, refuses newer versions."""


def run_model(model: onnx.ModelProto, images: npt.NDArray[np.uint8], batch: int = 64) -> list[npt.NDArray[np.float32]]:
    """Return all outputs for images N x H x W x 3, run ``batch`` at a time on one thread."""
    session = session_of(model)
    name = session.get_inputs()[0].name
    parts = [session.run(None, {name: images[i : i + batch]}) for i in range(0, len(images), batch)]
    return [np.concatenate([np.asarray(p[k]) for p in parts]) for k in range(len(parts[0]))]


def session_of(model: onnx.ModelProto) -> Any:
    """Create an ONNX Runtime session on the CPU with one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(to_bytes(model), options, providers=["CPUExecutionProvider"])


def to_bytes(model: onnx.ModelProto) -> bytes:
    """Serialize deterministically."""
    return bytes(model.SerializeToString(deterministic=True))
