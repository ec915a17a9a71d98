"""Model files with a loop in their graph: a call of the engine that really hangs, or that takes a while."""

from __future__ import annotations

import time
from pathlib import Path

_WITHOUT_END = 2**62


def hang_on_one_image(path: Path, out: Path) -> None:
    """The self-check's eight images pass; a field alone does not come back."""
    _with_loop(path, out, alone=_WITHOUT_END, together=0)


def slow_to_check(path: Path, out: Path, seconds: float) -> None:
    """Write a model whose self-check of eight images takes at least this many seconds here; a field alone does not."""
    turns, without = 1 << 16, _seconds_for(path, out, 0)
    while (took := _seconds_for(path, out, turns) - without) < 0.5:
        turns *= 4
    _with_loop(path, out, alone=0, together=round(turns * seconds / took))


def _seconds_for(path: Path, out: Path, turns: int) -> float:
    from edge_all.inference.loader import load_file

    _with_loop(path, out, alone=0, together=turns)
    started = time.process_time()
    load_file(out, path.parent.name, threads=1).close()
    return time.process_time() - started


def _with_loop(path: Path, out: Path, alone: int, together: int) -> None:
    """Turns of the loop for a batch of one, and of more."""
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load(str(path))
    graph = model.graph
    output = graph.output[0].name
    for node in graph.node:
        for at, name in enumerate(node.output):
            if name == output:
                node.output[at] = "before_turning"

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
            constant("first", TensorProto.INT64, 0),
            constant("turns_alone", TensorProto.INT64, alone),
            constant("turns_together", TensorProto.INT64, together),
            constant("begin", TensorProto.FLOAT, 0.0),
            constant("always", TensorProto.BOOL, 1),
            helper.make_node("Shape", [graph.input[0].name], ["shape"]),
            helper.make_node("Gather", ["shape", "first"], ["images"]),
            helper.make_node("Equal", ["images", "one"], ["is_alone"]),
            helper.make_node("Where", ["is_alone", "turns_alone", "turns_together"], ["turns"]),
            helper.make_node("Loop", ["turns", "always", "begin"], ["end"], body=body),
            helper.make_node("Add", ["before_turning", "end"], [output]),
        ]
    )
    onnx.checker.check_model(model)
    out.write_bytes(model.SerializeToString())
