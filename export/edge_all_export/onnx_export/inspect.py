"""Text description of a model file or a checkpoint."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import onnx

from edge_all.cli.options.common import plain
from edge_all.errors import UsageError
from edge_all.inference.contract import METADATA_KEY, SELF_CHECK_KEY, Contract, read_contract
from edge_all_export.onnx_export.quantization.static import unfit_for_tensorrt

_LAYERS = ("Conv", "Gemm", "MatMul", "ConvTranspose")
_TYPES = {onnx.TensorProto.FLOAT: "float", onnx.TensorProto.FLOAT16: "fp16", onnx.TensorProto.INT8: "int8"}


def inspect_model(path: Path, layers: bool = True) -> Iterator[str]:
    """Yield lines that describe a model file; layers: also list the precision of each layer.

    Raises UsageError when the file is not an ONNX model, ModelError when it has no contract.
    """
    try:
        data = path.read_bytes()
        model = onnx.load_from_string(data)
        if not model.graph.node:
            raise ValueError("an empty graph")
    except OSError as error:
        raise UsageError(f"cannot read {path} ({error.strerror})", "name an ONNX file or a checkpoint") from error
    except Exception as error:  # protobuf raises its own error types
        raise UsageError(f"{path} is not an ONNX model", "name an ONNX file or a checkpoint") from error
    metadata = {p.key: p.value for p in model.metadata_props}
    contract = read_contract(metadata, str(path), _task(metadata))
    yield f"{path}: {contract.task} {plain(contract.name)} {plain(contract.version)}"
    yield f"  size {len(data) / 1e6:.2f} MB, sha256 {hashlib.sha256(data).hexdigest()}"
    yield f"  IR {model.ir_version}, opset {max(o.version for o in model.opset_import)}"
    side = f"{contract.input_px} px square" if contract.input_px else "sides multiples of 16"
    yield f"  input RGB uint8, N x H x W x 3, {contract.um_per_px} um per px, {side}, window {contract.window}"
    yield f"  outputs {', '.join(contract.outputs)}"
    yield f"  thresholds {', '.join(f'{k} {v:.4f}' for k, v in contract.thresholds.items())}"
    yield f"  trained on {', '.join(map(plain, contract.training_data)) or 'unknown data'}"
    yield f"  has not seen {', '.join(map(plain, contract.unseen_groups)) or 'none; every group was seen'}"
    for key in ("precision", "source_sha256", "calibration_sha256", "recipe_sha256", "data_sha256", "leaky"):
        if key in contract.extra:
            yield f"  {key.replace('_', ' ')} {plain(str(contract.extra[key]))}"
    yield f"  self-check batch {'present' if SELF_CHECK_KEY in metadata else 'MISSING'}"
    precision = layer_precision(model)
    yield "  layers " + ", ".join(f"{n} {p}" for p, n in sorted(Counter(precision.values()).items()))
    yield "  runs on " + "; ".join(engines(model, contract))
    if layers:
        for name, kind in precision.items():
            yield f"    {kind:<6} {plain(name)}"


def _task(metadata: dict[str, str]) -> str:
    try:
        return str(json.loads(metadata.get(METADATA_KEY, "{}")).get("task", "classifier"))
    except (ValueError, AttributeError):
        return "classifier"


def layer_precision(model: onnx.ModelProto) -> dict[str, str]:
    """Map each layer to int8 (input and weights come from DequantizeLinear), fp16 or float.

    A product of two tensors that are not weights is not a layer.
    """
    maker = {o: n for n in model.graph.node for o in n.output}
    weights = {i.name: i.data_type for i in model.graph.initializer}
    found = {}
    for node in model.graph.node:
        if node.op_type in _LAYERS:
            made = [maker.get(i) for i in node.input[:2]]
            if all(m is not None and m.op_type == "DequantizeLinear" for m in made):
                found[node.name] = "int8"
            elif node.op_type != "MatMul" or node.input[1] in weights:
                found[node.name] = _TYPES.get(weights.get(node.input[1], onnx.TensorProto.FLOAT), "other")
    return found


def engines(model: onnx.ModelProto, contract: Contract) -> list[str]:
    """Return the engines that can run the file, and those that cannot, with the reason."""
    precision = str(contract.extra.get("precision", "float"))
    wrong = unfit_for_tensorrt(model)
    if wrong:
        tensorrt = f"not TensorRT ({wrong[0]})"
    elif precision == "int8-trt":
        tensorrt = "TensorRT 8.6 and later, INT8"
    elif precision == "fp16":
        tensorrt = "TensorRT 10 and later, FP16, strongly typed"
    else:
        tensorrt = "TensorRT 8.6 and later, FP32"
    slow = " (no faster than float there)" if precision in ("int8-trt", "fp16") else ""
    return [f"ONNX Runtime on a CPU{slow}", "ONNX Runtime with CUDA", tensorrt]


def inspect_checkpoint(path: Path) -> Iterator[str]:
    """Yield lines that describe a checkpoint. Raises UsageError when the file is not one."""
    from edge_all_export.models.checkpoint import load_checkpoint
    from edge_all_export.models.registry import family_of

    c = load_checkpoint(path)
    version = plain(str(c.recipe.get("version", "")))
    yield f"{path}: checkpoint of a {family_of(c).task}, {plain(c.architecture)} {version}"
    count = sum(w.numel() for n, w in c.weights.items() if "running_" not in n and "num_batches" not in n)
    yield f"  size {path.stat().st_size / 1e6:.2f} MB, {count:,} values, {c.epochs} epochs"
    yield f"  recipe {plain(c.recipe_name)}, sha256 {c.recipe_sha256}"
    yield f"  data sha256 {c.data_sha256}"
    yield f"  trained on {', '.join(map(plain, c.seen_groups))}"
    yield f"  has not seen {', '.join(map(plain, c.unseen_groups)) or 'none; every group was seen'}"
    if c.leaky:
        yield "  LEAKY: trained with a split by image"
    if c.decision:
        named = [k for k in ("temperature", "normal", "blast", "kind", "unfamiliar", "suspect") if k in c.decision]
        yield f"  thresholds {', '.join(f'{k} {c.decision[k]:.4f}' for k in named)}"
    yield "  runs on PyTorch; 'edge-all export' writes the files that devices run"
