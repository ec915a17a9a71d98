"""A model file whose engine's call really hangs: a loop of 2^62 turns in its graph, for a batch of one."""

from __future__ import annotations

from pathlib import Path


def hang_on_one_image(path: Path, out: Path) -> None:
    """The self-check's eight images pass; a field alone does not come back."""
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load(str(path))
    graph = model.graph
    output = graph.output[0].name
    for node in graph.node:
        for at, name in enumerate(node.output):
            if name == output:
                node.output[at] = "before_hanging"

    def constant(name: str, kind: int, value: float) -> onnx.NodeProto:
        return helper.make_node("Constant", [], [name], value=helper.make_tensor(name, kind, [], [value]))

    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_on"], ["go_on_still"]),
            helper.make_node("Abs", ["turned"], ["turned_once_more"]),
        ],
        "turning",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("turned", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("go_on_still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("turned_once_more", TensorProto.FLOAT, []),
        ],
    )
    graph.node.extend(
        [
            constant("one", TensorProto.INT64, 1),
            constant("nothing", TensorProto.INT64, 0),
            constant("without_end", TensorProto.INT64, 2**62),
            constant("begin", TensorProto.FLOAT, 0.0),
            constant("always", TensorProto.BOOL, 1),
            helper.make_node("Shape", [graph.input[0].name], ["shape"]),
            helper.make_node("Gather", ["shape", "nothing"], ["images"]),
            helper.make_node("Equal", ["images", "one"], ["alone"]),
            helper.make_node("Where", ["alone", "without_end", "nothing"], ["turns"]),
            helper.make_node("Loop", ["turns", "always", "begin"], ["end"], body=body),
            helper.make_node("Add", ["before_hanging", "end"], [output]),
        ]
    )
    onnx.checker.check_model(model)
    out.write_bytes(model.SerializeToString())
