"""Layer-by-layer execution of a quantized model, without starting from the image for each layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

from edge_all.domain.image import Image
from edge_all_export.models.onnx_session import session_of

_BATCH = 16
_LAYERS = ("Conv", "Gemm")


class LayerwiseModel:
    """Mean outputs of layers, requested in graph order, while their biases are changed.

    The quantized outputs of earlier layers are kept for the later ones that start from them. Each layer therefore runs
    about once; a run from the image for each layer would cost the square of their number.
    """

    def __init__(self, model: onnx.ModelProto, batch: Image) -> None:
        """Prepare for a model and a batch of images, uint8 N x H x W x 3.

        The model is read again for each layer; only biases of layers already requested may change.
        """
        self._model = model
        self._maker = {o: n for n in model.graph.node for o in n.output}
        self._users: dict[str, list[onnx.NodeProto]] = {}
        for node in model.graph.node:
            for name in node.input:
                self._users.setdefault(name, []).append(node)
        self._image = model.graph.input[0].name
        self._known = {self._image: [batch[i : i + _BATCH] for i in range(0, len(batch), _BATCH)]}
        self._awaited: dict[str, set[str]] = {}
        """Kept tensor -> quantized tensors and layers computed from it."""
        self._done: set[str] = set()

    def mean(self, layer: str) -> npt.NDArray[np.float64]:
        """Return the layer's mean output per channel over the batch."""
        node = next(n for n in self._model.graph.node if n.name == layer)
        nodes, starts = self._back_from(node)
        quantized = [n.output[0] for n in nodes if n.op_type == "QuantizeLinear"]
        self._done.add(layer)
        outputs = [node.output[0], *quantized]
        session = session_of(self._part(nodes, starts, outputs))
        total, count = np.zeros(()), 0
        kept: dict[str, list[npt.NDArray[np.uint8]]] = {name: [] for name in quantized}
        for i, images in enumerate(self._known[self._image]):
            found, *rest = session.run(outputs, {name: self._known[name][i] for name in starts})
            axes = tuple(a for a in range(found.ndim) if a != 1)
            total = total + np.asarray(found, np.float64).mean(axes) * len(images)
            count += len(images)
            for name, values in zip(quantized, rest, strict=True):
                kept[name].append(values)
        self._done |= set(quantized)
        for name, parts in kept.items():
            self._known[name], self._awaited[name] = parts, self._made_from(name)
        for name in [n for n, awaited in self._awaited.items() if awaited <= self._done]:
            del self._known[name], self._awaited[name]
        return total / count

    def _back_from(self, node: onnx.NodeProto) -> tuple[list[onnx.NodeProto], list[str]]:
        """Return the nodes that a node needs, in graph order, and the known tensors that they start from."""
        needed, wanted, starts = {node.output[0]}, list(node.input), []
        while wanted:
            name = wanted.pop()
            if name in self._known:
                starts.append(name)
            elif name in self._maker and self._maker[name].output[0] not in needed:
                needed.add(self._maker[name].output[0])
                wanted += self._maker[name].input
        return [n for n in self._model.graph.node if n.output[0] in needed], list(dict.fromkeys(starts))

    def _made_from(self, name: str) -> set[str]:
        """Return the next quantized tensors after this one, and the layers on the path to them."""
        found: set[str] = set()
        wanted, seen = [name], {name}
        while wanted:
            for user in self._users.get(wanted.pop(), []):
                if user.op_type == "QuantizeLinear":
                    found.add(user.output[0])
                    continue
                if user.op_type in _LAYERS:
                    found.add(user.name)
                wanted += [o for o in user.output if o not in seen]
                seen |= set(user.output)
        return found

    def _part(self, nodes: Sequence[onnx.NodeProto], starts: Sequence[str], outputs: Sequence[str]) -> onnx.ModelProto:
        used = {name for n in nodes for name in n.input}
        inputs = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(self._known[name][0].dtype), None)
            for name in starts
        ]
        graph = helper.make_graph(
            nodes,
            "part",
            inputs,
            [helper.make_empty_tensor_value_info(name) for name in outputs],
            [t for t in self._model.graph.initializer if t.name in used],
        )
        return helper.make_model(graph, opset_imports=self._model.opset_import, ir_version=self._model.ir_version)
