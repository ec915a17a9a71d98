"""Conversion of the float model to FP16 and INT8."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from edge_all.domain.image import Image
from edge_all.errors import UsageError
from edge_all_export.onnx_export.fp16 import converted, name_all

ENOUGH = 500
"""Recommended number of real training images for a calibration; fewer than LEAST are refused."""
LEAST = 100
PRECISIONS = ("fp16", "int8-cpu", "int8-trt")


class CalibrationSet:
    """Real training images for the ranges of the activations. groups: the origin of each, "source/group"."""

    def __init__(self, images: Sequence[Image], groups: Sequence[str], held_out: Sequence[str]) -> None:
        """Check and store the images. held_out: groups that evaluation uses.

        Raises UsageError for images that would give wrong ranges or wrong results.
        """
        if len(images) < LEAST:
            raise UsageError(f"{len(images)} images are too few to calibrate INT8", f"use at least {ENOUGH}")
        if all(g.startswith("simulator/") for g in groups):
            raise UsageError(
                "all calibration images are simulated, and their colors are not those of a bench",
                "calibrate on real cells",
            )
        both = sorted(set(groups) & set(held_out))
        if both:
            raise UsageError(
                f"the calibration contains images that evaluation uses ({both[0]})", "leave out this group"
            )
        if _is_noise(images):
            raise UsageError("the calibration images are random numbers", "calibrate on real cells")
        self.images = [np.ascontiguousarray(i) for i in images]
        self.groups = tuple(groups)

    def part(self, count: int) -> CalibrationSet:
        """Return a subset of about ``count`` evenly spaced images."""
        step = max(1, len(self.images) // count)
        return CalibrationSet(self.images[::step], self.groups[::step], ())

    @property
    def sha256(self) -> str:
        """SHA-256 of the pixels."""
        digest = hashlib.sha256()
        for image in self.images:
            digest.update(str(image.shape).encode() + image.tobytes())
        return digest.hexdigest()


def _is_noise(images: Sequence[Image]) -> bool:
    """Return whether the images are random: neighboring pixels of a photograph are correlated, random ones are not."""
    related = []
    for image in images[:20]:
        plane = image[..., 1].astype(np.float64)
        a, b = plane[:, :-1].ravel(), plane[:, 1:].ravel()
        if a.std() > 0 and b.std() > 0:
            related.append(float(np.corrcoef(a, b)[0, 1]))
    return bool(related) and float(np.median(related)) < 0.3


class _Reader:
    """Calibration reader for ONNX Runtime, one batch at a time."""

    def __init__(self, name: str, batches: Sequence[Image]) -> None:
        self._name, self._batches = name, batches
        self.rewind()

    def get_next(self) -> dict[str, Image] | None:
        return next(self._iterator, None)

    def rewind(self) -> None:
        self._iterator: Iterator[dict[str, Image]] = iter([{self._name: b} for b in self._batches])

    def __iter__(self) -> _Reader:
        return self

    def __next__(self) -> dict[str, Image]:
        item = self.get_next()
        if item is None:
            raise StopIteration
        return item


def layers(model: onnx.ModelProto) -> list[str]:
    """Return the convolutions that may be INT8, in order."""
    return [n.name for n in model.graph.node if n.op_type == "Conv"]


def quantized(
    model: onnx.ModelProto, precision: str, calibration: CalibrationSet, float_layers: Sequence[str] = ()
) -> onnx.ModelProto:
    """Quantize a model for ONNX Runtime ("int8-cpu") or TensorRT ("int8-trt", symmetric Q/DQ).

    float_layers stay unchanged. Raises UsageError for an unknown precision, and when no layer is left to quantize.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.calibrate import CalibrationDataReader
    from onnxruntime.quantization.shape_inference import quant_pre_process

    if precision not in PRECISIONS[1:]:
        raise UsageError(f"unknown precision '{precision}'", f"choose one of {', '.join(PRECISIONS)}")
    for_cpu = precision == "int8-cpu"
    same_size = len({i.shape for i in calibration.images}) == 1
    size = 16 if same_size else 1
    batches = [np.stack(calibration.images[i : i + size]) for i in range(0, len(calibration.images), size)]
    reader = _Reader(model.graph.input[0].name, batches)
    CalibrationDataReader.register(_Reader)
    chosen = [n.name for n in model.graph.node if n.name not in float_layers and _may_be_int8(n, model, float_layers)]
    if not chosen:  # ONNX Runtime reads an empty list as all nodes
        raise UsageError("all layers are to stay in float", "leave at least one layer to quantize")
    # Weights have seven bits: on x86 without VNNI, ONNX Runtime adds two products of bytes in 16 bits, which eight bits
    # overflow, and the gate would measure other errors than a device has.
    options: dict[str, Any] = {"ForceQuantizeNoInputCheck": False}
    if not for_cpu:
        options |= {"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False}
    with tempfile.TemporaryDirectory() as folder:
        # Shape inference and fusions first; the files exist only during this call.
        given, prepared, result = (Path(folder) / f"{n}.onnx" for n in ("given", "prepared", "int8"))
        onnx.save(model, str(given))
        quant_pre_process(str(given), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(result),
            reader,
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Add", "Clip"],
            per_channel=True,
            activation_type=QuantType.QUInt8 if for_cpu else QuantType.QInt8,
            weight_type=QuantType.QInt8,
            reduce_range=for_cpu,
            nodes_to_quantize=chosen,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options=options,
        )
        made = onnx.load(str(result))
    if not for_cpu:
        made = _unquantized_in_fp16(made)
    return made


def _may_be_int8(node: onnx.NodeProto, model: onnx.ModelProto, float_layers: Sequence[str]) -> bool:
    """Return whether a node may be INT8: convolutions, their clips, and additions that join two of them.

    The standardization of the input stays in float.
    """
    if node.op_type == "Conv":
        return True
    maker = {output: n for n in model.graph.node for output in n.output}
    if node.op_type == "Clip":
        # The activation of an INT8 convolution becomes the end of its range. That of a float one stays in float,
        # because its input has a range ten times as wide, for which eight bits are too few.
        before = maker.get(node.input[0])
        return before is not None and before.op_type == "Conv" and before.name not in float_layers
    if node.op_type != "Add":
        return False
    return all(i in maker and maker[i].op_type in ("Conv", "Add", "Clip", "Resize") for i in node.input)


def in_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Convert the convolutions and everything after them to FP16.

    Inputs, outputs and the standardization of the pixels, whose sums exceed FP16's range, stay in float32.
    """
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    name_all(copy)
    first = _before_first_convolution(copy)
    return converted(copy, [n.name for n in copy.graph.node if n.name not in first])


def _unquantized_in_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Convert the part between quantized layers and outputs to FP16.

    Q, DQ and the operators that they enclose stay unchanged, or TensorRT would not fuse them.
    """
    name_all(model)
    keep = set(_before_first_convolution(model))
    quantized_tensors = {o for n in model.graph.node if n.op_type == "DequantizeLinear" for o in n.output}
    for node in model.graph.node:
        joined = node.op_type in ("Conv", "Add", "Clip", "Resize") and any(i in quantized_tensors for i in node.input)
        if joined:
            keep.add(node.name)
            quantized_tensors.update(node.output)  # the clip after a convolution belongs to it
    return converted(model, [n.name for n in model.graph.node if n.name not in keep])


def _before_first_convolution(model: onnx.ModelProto) -> list[str]:
    names = []
    for node in model.graph.node:
        if node.op_type == "Conv":
            break
        names.append(node.name)
    return names


def unfit_for_tensorrt(model: onnx.ModelProto) -> list[str]:
    """Return why TensorRT would refuse the file: nonzero zero points, unsigned activations, a quantized bias."""
    wrong: list[str] = []
    known = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear") or len(node.input) < 3:
            continue
        zero = known.get(node.input[2])
        if zero is None:
            continue
        if zero.dtype == np.int32:
            wrong.append(f"{node.name}: a bias is quantized")
        elif zero.dtype != np.int8:
            wrong.append(f"{node.name}: zero point is {zero.dtype}, not int8")
        elif np.any(zero != 0):
            wrong.append(f"{node.name}: zero point is not 0")
    return wrong
