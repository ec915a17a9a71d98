"""Takes the mean error that quantization brings out of a classifier's answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from edge_all.vocabulary import Image
from edge_all_export.to_onnx import session_of


def bias_corrected(quantized: onnx.ModelProto, model: onnx.ModelProto, images: Sequence[Image]) -> onnx.ModelProto:
    """The quantized model with the bias of its last Gemm moved by the mean difference of the logits over the
    calibration images (Nagel et al. 2019); as it is where there is no Gemm."""
    if _last_gemm(quantized) is None or _last_gemm(model) is None:
        return quantized
    batch = np.stack(list(images))
    difference = _logits(model, batch).mean(0) - _logits(quantized, batch).mean(0)
    result = onnx.ModelProto.FromString(quantized.SerializeToString())
    gemm = _last_gemm(result)
    assert gemm is not None
    for tensor in result.graph.initializer:
        if tensor.name == gemm.input[2]:
            bias = numpy_helper.to_array(tensor)
            moved = (bias.astype(np.float32) + difference).astype(bias.dtype)
            tensor.CopyFrom(numpy_helper.from_array(moved, tensor.name))
    return result


def _last_gemm(model: onnx.ModelProto) -> onnx.NodeProto | None:
    return next((n for n in reversed(model.graph.node) if n.op_type == "Gemm"), None)


def _logits(model: onnx.ModelProto, batch: Image) -> npt.NDArray[np.float32]:
    watched = onnx.ModelProto.FromString(model.SerializeToString())
    gemm = _last_gemm(watched)
    assert gemm is not None
    half = any(i.name == gemm.input[2] and i.data_type == onnx.TensorProto.FLOAT16 for i in watched.graph.initializer)
    kind = onnx.TensorProto.FLOAT16 if half else onnx.TensorProto.FLOAT
    watched.graph.output.append(helper.make_tensor_value_info(gemm.output[0], kind, None))
    session = session_of(watched)
    parts = [session.run([gemm.output[0]], {"image": batch[i : i + 32]})[0] for i in range(0, len(batch), 32)]
    return np.concatenate(parts).astype(np.float32)
