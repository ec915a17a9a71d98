"""From a trained network to a model file that carries its contract."""

from __future__ import annotations

import io
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from edge_all.engines.contract import METADATA_KEY, Contract

OPSET = 17
IR_VERSION = 10
"""onnxruntime 1.23.2, the newest for Python 3.10, refuses newer ones."""


def export_onnx(
    network: nn.Module, example: Tensor, contract: Contract, path: Path, free_axes: tuple[int, ...]
) -> None:
    """Write ``network`` as ONNX. example: uint8 N x H x W x 3. free_axes: of the input that may vary.

    The same network and contract give the same bytes; no path of this machine is in the file.
    """
    names = {0: "batch", 1: "height", 2: "width"}
    axes = {axis: names[axis] for axis in free_axes}
    output_axes = {name: {0: "batch"} for name in contract.outputs}
    if 1 in free_axes:
        output_axes = {name: {0: "batch", 2: "map_height", 3: "map_width"} for name in contract.outputs}
    buffer = io.BytesIO()
    torch.onnx.export(
        network.eval(),
        (example,),
        buffer,
        input_names=["image"],
        output_names=list(contract.outputs),
        dynamic_axes={"image": axes, **output_axes},
        opset_version=OPSET,
        dynamo=False,
    )
    model = onnx.load_from_string(buffer.getvalue())
    model.ir_version = IR_VERSION
    model.doc_string = ""
    for node in model.graph.node:
        node.doc_string = ""
    del model.metadata_props[:]
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, contract.to_json()
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(model.SerializeToString(deterministic=True))
    temporary.replace(path)
