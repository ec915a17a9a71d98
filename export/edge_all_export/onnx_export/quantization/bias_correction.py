"""Bias correction: removal of the mean quantization error of each layer (Nagel et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from edge_all.domain.image import Image
from edge_all_export.models.onnx_session import session_of
from edge_all_export.onnx_export.quantization.layerwise import LayerwiseModel

_IMAGES = 192
_BATCH = 16


def bias_corrected(quantized: onnx.ModelProto, model: onnx.ModelProto, images: Sequence[Image]) -> onnx.ModelProto:
    """Return the quantized model with corrected biases of all convolutions and Gemms.

    Each bias is moved, one layer after the other, by the mean difference of the layer's outputs per channel over some
    calibration images. images: uint8, all of one size. Rounded weights shift whole channels, which more bits for the
    activations do not correct.
    """
    batch = np.stack(list(images[:: max(1, len(images) // _IMAGES)]))
    names = [n.name for n in model.graph.node if n.op_type in ("Conv", "Gemm")]
    wanted = dict(zip(names, _means(model, names, batch), strict=True))
    result: onnx.ModelProto = onnx.ModelProto.FromString(quantized.SerializeToString())
    layers = LayerwiseModel(result, batch)
    for name in names:
        if any(n.name == name for n in result.graph.node):
            _move_bias(result, name, wanted[name] - layers.mean(name))
    return result


def _means(model: onnx.ModelProto, names: Sequence[str], batch: Image) -> list[npt.NDArray[np.float64]]:
    """Return the mean output of each named layer, per channel."""
    watched = onnx.ModelProto.FromString(model.SerializeToString())
    made = {n.name: n.output[0] for n in watched.graph.node}
    for name in names:
        if made[name] not in {o.name for o in watched.graph.output}:
            watched.graph.output.append(helper.make_empty_tensor_value_info(made[name]))
    _keep_what_makes(watched, [made[n] for n in names])
    session = session_of(watched)
    image = session.get_inputs()[0].name
    sums: list[npt.NDArray[np.float64]] = []
    for start in range(0, len(batch), _BATCH):
        part = batch[start : start + _BATCH]
        outputs = session.run([made[n] for n in names], {image: part})
        axes = [tuple(i for i in range(o.ndim) if i != 1) for o in outputs]
        means = [np.asarray(o, np.float64).mean(a) * len(part) for o, a in zip(outputs, axes, strict=True)]
        sums = means if not sums else [s + m for s, m in zip(sums, means, strict=True)]
    return [s / len(batch) for s in sums]


def _keep_what_makes(model: onnx.ModelProto, outputs: Sequence[str]) -> None:
    """Remove all nodes that the outputs do not need, because ONNX Runtime executes every node of a graph."""
    needed, kept = set(outputs), []
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            needed |= set(node.input)
            kept.append(node)
    others = [o for o in model.graph.output if o.name in set(outputs)]
    for field, values in ((model.graph.node, kept[::-1]), (model.graph.output, others)):
        copies = [type(v).FromString(v.SerializeToString()) for v in values]
        del field[:]
        field.extend(copies)


def _move_bias(model: onnx.ModelProto, name: str, by: npt.NDArray[np.float64]) -> None:
    node = next(n for n in model.graph.node if n.name == name)
    if len(node.input) < 3:
        return
    tensors = {t.name: t for t in model.graph.initializer}
    maker = {o: n for n in model.graph.node for o in n.output}
    source = node.input[2]
    if source in tensors:
        values = numpy_helper.to_array(tensors[source])
        moved = (values.astype(np.float64) + by).astype(values.dtype)
        tensors[source].CopyFrom(numpy_helper.from_array(moved, source))
    elif source in maker and maker[source].op_type == "DequantizeLinear":
        stored, scale = (tensors[i] for i in maker[source].input[:2])
        values = numpy_helper.to_array(stored)
        steps = np.rint(by / numpy_helper.to_array(scale).astype(np.float64))
        moved = np.clip(values.astype(np.float64) + steps, -(2**31), 2**31 - 1).astype(values.dtype)
        stored.CopyFrom(numpy_helper.from_array(moved, stored.name))
