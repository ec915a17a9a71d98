"""Conversion of a trained network to a model file that carries its contract and a self-check batch."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch

from edge_all.errors import EdgeAllError
from edge_all.files.atomic_write import PUBLIC, write_atomically
from edge_all.inference.contract import FEATURES_OUTPUT, METADATA_KEY, SELF_CHECK_KEY, Contract
from edge_all_export.models.checkpoint import Checkpoint
from edge_all_export.models.onnx_session import IR_VERSION, onnx_of, run_model, to_bytes
from edge_all_export.models.registry import family_of
from edge_all_export.models.torch_engine import deployed_network
from edge_all_export.onnx_export.self_check import DETECTOR_SIDE, packed, self_check_input


def weights_sha256(checkpoint: Checkpoint) -> str:
    """Return the SHA-256 of the names and values of the weights and of the decision that calibrates them."""
    digest = hashlib.sha256(repr(sorted(checkpoint.decision.items())).encode())
    for name in sorted(checkpoint.weights):
        digest.update(name.encode() + checkpoint.weights[name].contiguous().numpy().tobytes())
    return digest.hexdigest()


def float_model(checkpoint: Checkpoint) -> onnx.ModelProto:
    """Convert a checkpoint to an ONNX model with dynamic batch (for the detector, also height and width).

    The same checkpoint gives the same bytes; they contain no path of this machine.
    """
    family = family_of(checkpoint)
    deployed, contract, free = deployed_network(checkpoint), family.contract(checkpoint), family.free_axes
    side = contract.input_px or DETECTOR_SIDE
    names = {0: "batch", 1: "height", 2: "width"}
    outputs = {0: "batch", 2: "map_height", 3: "map_width"} if 1 in free else {0: "batch"}
    model = onnx_of(
        deployed,
        torch.zeros(2, side, side, 3, dtype=torch.uint8),
        contract.outputs,
        {"image": {axis: names[axis] for axis in free}, **dict.fromkeys(contract.outputs, outputs)},
    )
    sha256 = weights_sha256(checkpoint)
    return finished(model, contract, precision="float", source_sha256=sha256)


def finished(
    model: onnx.ModelProto,
    contract: Contract,
    *,
    precision: str,
    source_sha256: str,
    calibration_sha256: str = "",
    reference: onnx.ModelProto | None = None,
) -> onnx.ModelProto:
    """Set the metadata of a model, remove traces of this machine, and check the model.

    reference: the float model whose outputs the self-check uses; None if model is the float one.
    """
    model.ir_version = IR_VERSION
    model.doc_string = ""
    model.producer_name, model.producer_version = "edge-all", ""
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    extra = {**contract.extra, "precision": precision, "source_sha256": source_sha256}
    if calibration_sha256:
        extra["calibration_sha256"] = calibration_sha256
    del model.metadata_props[:]
    batch = self_check_input(contract)
    outputs = run_model(reference or model, batch)
    compared = [i for i, name in enumerate(contract.outputs) if name != FEATURES_OUTPUT]
    own = run_model(model, batch)
    extra["tolerance"] = _tolerance([outputs[i] for i in compared], [own[i] for i in compared])
    for key, text in (
        (METADATA_KEY, replace(contract, extra=extra).to_json()),
        (SELF_CHECK_KEY, packed(batch, {contract.outputs[i]: outputs[i] for i in compared})),
    ):
        entry = model.metadata_props.add()
        entry.key, entry.value = key, text
    onnx.checker.check_model(model)
    return model


def _tolerance(wanted: list[npt.NDArray[np.float32]], own: list[npt.NDArray[np.float32]]) -> float:
    """Return the tolerance of a device's self-check: twice the rounding measured here, plus a margin for other kernels.

    TF32 keeps only ten bits of a product.
    """
    seen = max(float(np.abs(a - b).max()) for a, b in zip(wanted, own, strict=True))
    return round(2 * seen + 0.02, 3)


def write_model(model: onnx.ModelProto, path: Path) -> None:
    """Write a model atomically: temporary name, flush, rename. Raises EdgeAllError when writing fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, to_bytes(model), mode=PUBLIC, single_writer=True)
    except OSError as error:
        raise EdgeAllError(f"cannot write {path} ({error.strerror})", "free space, or choose another --out") from error
