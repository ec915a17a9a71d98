"""The contract in an ONNX model's metadata."""

from __future__ import annotations

import onnx

from edge_all.inference.contract import Contract


def contract_of(model: onnx.ModelProto, task: str) -> Contract:
    """Read the contract from the model's metadata."""
    from edge_all.inference.contract import read_contract

    return read_contract({p.key: p.value for p in model.metadata_props}, "the model", task)
