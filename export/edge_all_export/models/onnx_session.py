"""An ONNX model in memory: its opset, its bytes, an ONNX Runtime session on it."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx

if TYPE_CHECKING:
    from torch import Tensor, nn

OPSET = 17
IR_VERSION = 10
"""IR version of the files; onnxruntime 1.23.2, the newest for Python 3.10, refuses newer versions."""


def onnx_of(
    network: nn.Module,
    example: Tensor,
    outputs: Sequence[str],
    dynamic_axes: Mapping[str, Mapping[int, str]],
) -> onnx.ModelProto:
    """Convert a PyTorch network to an ONNX model by tracing it with an example of its input, which is named "image".

    dynamic_axes: input or output -> axis -> name of each axis whose size is free.
    """
    import torch

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the exporter's age, and about sizes that are fixed on purpose
        torch.onnx.export(
            network.eval(),
            (example,),
            buffer,  # type: ignore[arg-type]  # this exporter also takes a buffer
            input_names=["image"],
            output_names=list(outputs),
            dynamic_axes=dynamic_axes,
            opset_version=OPSET,
            dynamo=False,
        )
    return onnx.load_from_string(buffer.getvalue())


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
