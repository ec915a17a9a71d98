"""Compare two model files that may be the same network made by different processors.

Folding a batch normalization into a convolution ends in a division: its last digit differs from processor to processor,
and with it the weights, the outputs of the self-check batch, and so the bytes.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from edge_all_export.models.onnx_session import run_model
from onnx import TensorProto, helper, numpy_helper

from edge_all.inference.contract import METADATA_KEY, SELF_CHECK_KEY

WEIGHT_TOLERANCE = 1e-5
"""Tolerance, relative to the largest weight of a tensor; float32 resolves 6e-8; two builds differed by 2e-7."""
OUTPUT_TOLERANCE = 1e-4
"""Tolerance of an output of the float network on its self-check batch."""
PIXEL_TOLERANCE = 1
"""Gray levels of the self-check batch, which the simulator draws with floats."""


def model_differences(model: onnx.ModelProto, shipped: onnx.ModelProto) -> list[str]:
    """Return the differences between two networks, a line each: graph, weights, metadata, outputs."""
    return list(_differing(model, shipped))


def unpacked(stored: Mapping[str, Any]) -> npt.NDArray[Any]:
    """An array as a self-check holds it."""
    data = zlib.decompress(base64.b64decode(stored["data"]))
    array: npt.NDArray[Any] = np.frombuffer(data, stored["dtype"]).reshape(stored["shape"])
    return array


@lru_cache(maxsize=1)
def int8_products_saturate() -> bool:
    """Return True if ONNX Runtime adds two 8-bit products in 16 bits here. x86 without VNNI does, clipping large sums.

    INT8 files then give visibly other outputs on this machine; the program's self-check refuses those that exceed the
    tolerance of their contract.
    """
    integers = [
        helper.make_tensor_value_info(n, t, [4, 4]) for n, t in (("a", TensorProto.UINT8), ("b", TensorProto.INT8))
    ]
    product = helper.make_tensor_value_info("c", TensorProto.INT32, [4, 4])
    graph = helper.make_graph([helper.make_node("MatMulInteger", ["a", "b"], ["c"])], "products", integers, [product])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"a": np.full((4, 4), 255, np.uint8), "b": np.full((4, 4), 127, np.int8)})
    return bool((np.asarray(found) != 4 * 255 * 127).any())


def _differing(model: onnx.ModelProto, shipped: onnx.ModelProto) -> Iterator[str]:
    found, wanted = _graph_parts(model), _graph_parts(shipped)
    other_parts = [part for part in wanted if found[part] != wanted[part]]
    if other_parts:
        yield f"{', '.join(other_parts)} differ"  # no use comparing what such a graph computes
        return
    weights = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    for tensor in shipped.graph.initializer:
        one, other = weights[tensor.name], numpy_helper.to_array(tensor)
        if one.dtype != other.dtype or one.shape != other.shape:
            yield f"weights {tensor.name}: {one.dtype} {one.shape}, shipped {other.dtype} {other.shape}"
        elif one.size and not _largest_difference(one, other) <= WEIGHT_TOLERANCE * np.abs(other).max():
            yield f"weights {tensor.name}: differ by {_largest_difference(one, other):.2g}"
    yield from _differing_metadata(model, shipped)


def _graph_parts(model: onnx.ModelProto) -> dict[str, Any]:
    """All of a model but the values of its weights and its metadata."""
    graph = model.graph
    return {
        "versions": (model.ir_version, sorted((o.domain, o.version) for o in model.opset_import)),
        # Names, operators, inputs, outputs and attributes.
        "nodes": [n.SerializeToString(deterministic=True) for n in graph.node],
        "inputs": [i.SerializeToString(deterministic=True) for i in graph.input],
        "outputs": [o.SerializeToString(deterministic=True) for o in graph.output],
        "names of weights": [t.name for t in graph.initializer],
        "metadata keys": [p.key for p in model.metadata_props],
    }


def _differing_metadata(model: onnx.ModelProto, shipped: onnx.ModelProto) -> Iterator[str]:
    found, wanted = ({p.key: p.value for p in m.metadata_props} for m in (model, shipped))
    # The contract names the checkpoint by the hash of its weights, which does not depend on the processor.
    for key in wanted:
        if key != SELF_CHECK_KEY and found.get(key) != wanted[key]:
            yield f"metadata {key}"
    checks = [json.loads(values[SELF_CHECK_KEY]) for values in (found, wanted)]
    batches = [unpacked(check["input"]) for check in checks]
    if batches[0].shape != batches[1].shape or _largest_difference(*batches) > PIXEL_TOLERANCE:
        yield "self-check: other images"
        return
    # On the same pixels, so that only the networks can differ.
    for name, one, other in zip(
        json.loads(wanted[METADATA_KEY])["outputs"],
        run_model(model, batches[1]),
        run_model(shipped, batches[1]),
        strict=True,
    ):
        rights = [("that of the shipped file", other)]
        if name in checks[1]["outputs"]:  # features are not compared on a device
            rights.append(("what the shipped file carries", unpacked(checks[1]["outputs"][name])))
        for what, right in rights:
            if not _largest_difference(one, right) <= OUTPUT_TOLERANCE:
                yield f"output {name}: differs by {_largest_difference(one, right):.2g} from {what}"


def _largest_difference(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    return float(np.abs(one.astype(np.float64) - other.astype(np.float64)).max())
