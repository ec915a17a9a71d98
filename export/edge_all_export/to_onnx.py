"""Conversion of a trained network to a model file that carries its contract and a self-check batch."""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import nn

from edge_all.engines.contract import METADATA_KEY, SELF_CHECK_KEY, Contract
from edge_all.errors import EdgeAllError
from edge_all_export.self_check import packed, self_check_input
from edge_all_export.training.checkpoint import Checkpoint

if TYPE_CHECKING:
    from edge_all_export.classifier.network import BlastNet

OPSET = 17
IR_VERSION = 10
"""IR version of the files; onnxruntime 1.23.2, the newest for Python 3.10, refuses newer versions."""


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
    from edge_all_export.detector.network import DeployedLeukocyteNet
    from edge_all_export.evaluate.torch_engine import network_of
    from edge_all_export.model_files import classifier_contract, decision_of, deployed_classifier, detector_contract

    network = network_of(checkpoint)
    deployed: nn.Module
    if checkpoint.task == "detector":
        deployed, contract, side, free = DeployedLeukocyteNet(network), detector_contract(checkpoint), 96, (0, 1, 2)
    else:
        decision = decision_of(checkpoint)
        contract = classifier_contract(checkpoint, decision)
        deployed, side, free = deployed_classifier(network, decision), contract.input_px, (0,)
    names = {0: "batch", 1: "height", 2: "width"}
    outputs = {0: "batch", 2: "map_height", 3: "map_width"} if 1 in free else {0: "batch"}
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the exporter's age, and about sizes that are fixed on purpose
        torch.onnx.export(
            deployed.eval(),
            (torch.zeros(2, side, side, 3, dtype=torch.uint8),),
            buffer,
            input_names=["image"],
            output_names=list(contract.outputs),
            dynamic_axes={"image": {axis: names[axis] for axis in free}, **dict.fromkeys(contract.outputs, outputs)},
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
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
    extra["tolerance"] = _tolerance(outputs, run_model(model, batch))
    for key, text in (
        (METADATA_KEY, replace(contract, extra=extra).to_json()),
        (SELF_CHECK_KEY, packed(batch, dict(zip(contract.outputs, outputs, strict=True)))),
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


def run_model(model: onnx.ModelProto, images: npt.NDArray[np.uint8], batch: int = 64) -> list[npt.NDArray[np.float32]]:
    """Return all outputs for images N x H x W x 3, run ``batch`` at a time on one thread."""
    session = session_of(model)
    name = session.get_inputs()[0].name
    parts = [session.run(None, {name: images[i : i + batch]}) for i in range(0, len(images), batch)]
    return [np.concatenate([np.asarray(p[k]) for p in parts]) for k in range(len(parts[0]))]


def session_of(model: onnx.ModelProto) -> Any:
    """Create an ONNX Runtime session on the CPU with one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(to_bytes(model), options, providers=["CPUExecutionProvider"])


def session_of_features(network: BlastNet) -> Any:
    """Create an ONNX Runtime session for network.features: "image", float N x 3 x S x S, 0..255 -> N x F."""
    from edge_all_export.classifier.crop_form import COARSE

    class _Features(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.network.features(image)

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Features().eval(),
            (torch.zeros(2, 3, COARSE.side, COARSE.side),),
            buffer,
            input_names=["image"],
            output_names=["features"],
            dynamic_axes={"image": {0: "batch"}, "features": {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,
        )
    return session_of(onnx.load_from_string(buffer.getvalue()))


def to_bytes(model: onnx.ModelProto) -> bytes:
    """Serialize deterministically."""
    return bytes(model.SerializeToString(deterministic=True))


def write_model(model: onnx.ModelProto, path: Path) -> None:
    """Write a model atomically: temporary name, flush, rename. Raises EdgeAllError when writing fails."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(to_bytes(model))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise EdgeAllError(f"cannot write {path} ({error.strerror})", "free space, or choose another --out") from error
