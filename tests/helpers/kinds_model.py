"""A small classifier of kinds in a real ONNX file: the mean colors of a crop, one linear layer, softmax.

``write_kinds_classifier`` writes the file, ``models_with_kinds`` a folder for --models with the shipped detector.
"""

from __future__ import annotations

import base64
import json
import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_all.domain.labels import MODEL_KINDS
from edge_all.inference.contract import METADATA_KEY, SELF_CHECK_KEY, Contract
from edge_all.modelstore.shipped import models_folder

SIDE, UM_PER_PX = 144, 0.14
CENTER = 48
"""Side of the middle part, px, which is about a nucleus."""
FEATURES = 6
"""Mean red, green and blue of the middle part, and of the whole crop; each from about -4 to 0 for a stained cell."""
THRESHOLDS: Mapping[str, float] = {"blast": 0.6, "normal": 0.2, "kind": 0.5}


def features_of(crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The features of crops N x S x S x 3, as the graph computes them."""
    start = (SIDE - CENTER) // 2
    middle = crops[:, start : start + CENTER, start : start + CENTER].mean((1, 2))
    return ((np.concatenate([middle, crops.mean((1, 2))], 1) - 240) / 50).astype(np.float32)


def some_weights(seed: int = 0) -> npt.NDArray[np.float32]:
    """F x 10: different kinds for cells of different colors."""
    return np.random.default_rng(seed).normal(0, 1.5, (FEATURES, len(MODEL_KINDS))).astype(np.float32)


def varied_weights(seed: int = 11) -> dict[str, npt.NDArray[np.float32]]:
    """weights and bias that give the simulator's cells most labels and kinds (not the right ones)."""
    weights = 5 * some_weights(seed)
    typical = np.array((-2.5, -3.5, -1.4, -1, -1.3, -0.6), np.float32)
    return {"weights": weights, "bias": -typical @ weights}


def write_kinds_classifier(
    path: Path,
    weights: npt.NDArray[np.float32] | None = None,
    bias: npt.NDArray[np.float32] | None = None,
    *,
    always: str | None = None,
    columns: tuple[str, ...] = MODEL_KINDS,
    thresholds: Mapping[str, float] = THRESHOLDS,
    self_check: bool = True,
    **extra: Any,
) -> Contract:
    """Write the file and return its contract.

    weights, bias: of the linear layer, F x 10 and 10, in the order of MODEL_KINDS; random without them.
    always: the kind that every crop is called, nearly surely.
    columns: order of the file's columns.
    extra: further values of the contract's extra, such as coarsest_um_per_px=0.3.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = some_weights() if weights is None else weights
    bias = np.zeros(len(MODEL_KINDS), np.float32) if bias is None else bias
    if always is not None:
        weights = np.zeros((FEATURES, len(MODEL_KINDS)), np.float32)
        bias = np.where(np.array(MODEL_KINDS) == always, 9.0, 0.0).astype(np.float32)
    order = [MODEL_KINDS.index(kind) for kind in columns]
    start = (SIDE - CENTER) // 2
    constants: dict[str, npt.NDArray[Any]] = {
        "starts": np.array([start, start], np.int64), "ends": np.array([start + CENTER] * 2, np.int64),
        "axes": np.array([1, 2], np.int64), "level": np.float32(240), "unit": np.float32(50),
        "weights": weights[:, order], "bias": bias[order],
    }  # fmt: skip
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Slice", ["pixels", "starts", "ends", "axes"], ["middle"]),
        helper.make_node("ReduceMean", ["middle"], ["middle_mean"], axes=[1, 2], keepdims=0),
        helper.make_node("ReduceMean", ["pixels"], ["whole_mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Concat", ["middle_mean", "whole_mean"], ["means"], axis=1),
        helper.make_node("Sub", ["means", "level"], ["darkness"]),
        helper.make_node("Div", ["darkness", "unit"], ["features"]),
        helper.make_node("Gemm", ["features", "weights", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["kinds"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "kinds",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", SIDE, SIDE, 3])],
        [
            helper.make_tensor_value_info("kinds", TensorProto.FLOAT, ["N", len(MODEL_KINDS)]),
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", FEATURES]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    contract = Contract(
        "classifier", "mean-color", "1", UM_PER_PX, SIDE, ("kinds", "features"), dict(thresholds), ("none",), (),
        extra={"kinds": list(columns), "temperature": 1.0, **extra},
    )  # fmt: skip
    metadata = {METADATA_KEY: contract.to_json()}
    if self_check:
        metadata[SELF_CHECK_KEY] = _self_check(weights[:, order], bias[order])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return contract


def models_with_kinds(folder: Path, **how: Any) -> Path:
    """Write a folder for --models: the shipped detector, and this classifier (see write_kinds_classifier).

    Without weights, the simulator's cells get most labels and kinds.
    """
    if not how.keys() & {"weights", "always"}:
        how |= varied_weights()
    shutil.copytree(models_folder() / "detector", folder / "detector")
    write_kinds_classifier(folder / "classifier" / "float.onnx", **how)
    return folder


def _self_check(weights: npt.NDArray[np.float32], bias: npt.NDArray[np.float32]) -> str:
    """Eight crops with the float probabilities, and with features of another scale, which are not compared."""
    batch = np.random.default_rng(1).integers(0, 256, (8, SIDE, SIDE, 3), np.uint8)
    features = features_of(batch)
    power = np.exp(features @ weights + bias)
    outputs = {"kinds": (power / power.sum(1, keepdims=True)).astype(np.float32), "features": 100 * features}
    return json.dumps({"input": _packed(batch), "outputs": {name: _packed(value) for name, value in outputs.items()}})


def _packed(array: npt.NDArray[Any]) -> dict[str, Any]:
    data = base64.b64encode(zlib.compress(array.tobytes())).decode()
    return {"dtype": str(array.dtype), "shape": list(array.shape), "data": data}
