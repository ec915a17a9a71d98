"""Conversion of selected ONNX nodes to FP16, with casts at the boundaries to the others."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT_INPUTS_ONLY = ("Resize", "Cast", "QuantizeLinear", "DequantizeLinear", "Shape", "Gather", "Concat", "Unsqueeze")
"""Operators whose inputs must stay float32 or are not floats; a Concat of features is cheap anyway."""


def name_all(model: onnx.ModelProto) -> None:
    """Name each unnamed node, and turn constants into initializers."""
    constants = []
    for i, node in enumerate(model.graph.node):
        if not node.name:
            node.name = f"node_{i}_{node.op_type}"
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            array = numpy_helper.to_array(node.attribute[0].t)
            model.graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
            constants.append(node)
    for node in constants:
        model.graph.node.remove(node)


def converted(model: onnx.ModelProto, halves: Collection[str]) -> onnx.ModelProto:
    """Return a copy with the nodes named in ``halves`` in FP16; the graph's inputs and outputs keep their types."""
    result: onnx.ModelProto = onnx.ModelProto.FromString(model.SerializeToString())
    graph = result.graph
    values = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    is_half = {n.name: n.name in halves and n.op_type not in FLOAT_INPUTS_ONLY for n in graph.node}
    made_half = {o for n in graph.node if is_half[n.name] for o in n.output}
    floats = _float_tensors(result)
    nodes: list[onnx.NodeProto] = []
    cast: dict[tuple[str, int], str] = {}

    def as_type(name: str, kind: int) -> str:
        key = (name, kind)
        if key not in cast:
            cast[key] = f"{name}_{'half' if kind == TensorProto.FLOAT16 else 'float'}"
            nodes.append(helper.make_node("Cast", [name], [cast[key]], name=f"cast_{cast[key]}", to=kind))
        return cast[key]

    halved: set[str] = set()
    for node in graph.node:
        half = is_half[node.name]
        for k, name in enumerate(node.input):
            if half and name in values and values[name].dtype == np.float32:
                halved.add(name)
                node.input[k] = f"{name}_half"
            elif half and name in floats and name not in made_half and name not in values:
                node.input[k] = as_type(name, TensorProto.FLOAT16)
            elif not half and name in made_half:
                node.input[k] = as_type(name, TensorProto.FLOAT)
        nodes.append(node)
    for output in graph.output:
        if output.name in made_half:
            maker = next(n for n in nodes if output.name in n.output)
            inner = f"{output.name}_half"
            for n in nodes:
                for k, name in enumerate(n.input):
                    if name == output.name:
                        n.input[k] = inner
            maker.output[list(maker.output).index(output.name)] = inner
            nodes.append(
                helper.make_node("Cast", [inner], [output.name], name=f"cast_{output.name}", to=TensorProto.FLOAT)
            )
    for name in sorted(halved):
        graph.initializer.append(numpy_helper.from_array(values[name].astype(np.float16), f"{name}_half"))
    kept = [onnx.NodeProto.FromString(n.SerializeToString()) for n in nodes]
    del graph.node[:]
    graph.node.extend(kept)
    del graph.value_info[:]
    used = {name for n in graph.node for name in n.input}
    for unused in [i for i in graph.initializer if i.name not in used]:
        graph.initializer.remove(unused)
    return result


def _float_tensors(model: onnx.ModelProto) -> set[str]:
    """Return the names of all float32 tensors, by shape inference."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    known = [*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output]
    return {v.name for v in known if v.type.tensor_type.elem_type == TensorProto.FLOAT}
