"""Contract in a model file's metadata: its input, the meaning of its outputs and its training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from edge_all.errors import ModelError

METADATA_KEY = "edge_all.contract"
SELF_CHECK_KEY = "edge_all.self_check"
CONTRACT_VERSION = 1
TASKS = ("detector", "classifier")


@dataclass(frozen=True)
class Contract:
    """Everything that the device must know about a model file."""

    task: str
    """Task of the model: "detector" or "classifier"."""
    name: str
    version: str
    um_per_px: float
    """Scale of the input images in um per pixel."""
    input_px: int
    """Side of the square input in pixels; 0 if any multiple of 16 is accepted (the detector)."""
    outputs: tuple[str, ...]
    thresholds: Mapping[str, float]
    """Thresholds from 0 to 1. Detector: found. Classifier: blast, normal, unfamiliar."""
    training_data: tuple[str, ...]
    unseen_groups: tuple[str, ...]
    """Groups of the training data that were held out from training."""
    window: str = "none"
    """Window of the classifier: "none", or "disc" (the area outside the cell's circle fades to background)."""
    notes: str = ""
    contract_version: int = CONTRACT_VERSION
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return one line of JSON with sorted keys, so that equal contracts give equal bytes."""
        return json.dumps(asdict(self), sort_keys=True)


def read_contract(metadata: Mapping[str, str], file: str, task: str) -> Contract:
    """Read the contract from an ONNX file's metadata.

    Raises:
        ModelError: when there is no contract, or it is damaged, of another version or for another task.
    """
    text = metadata.get(METADATA_KEY)
    remedy = "use a file made by 'edge-all export', or leave out --models to use the shipped models"
    if text is None:
        raise ModelError(f"{file} contains no edge-all contract", remedy)
    try:
        values = json.loads(text)
        version = values["contract_version"]
        if version != CONTRACT_VERSION:
            raise ModelError(
                f"{file} has contract version {version}, but this program reads version {CONTRACT_VERSION}", remedy
            )
        for name in ("outputs", "training_data", "unseen_groups"):
            values[name] = tuple(values[name])
        contract = Contract(**values)
        needed = {"detector": {"found"}, "classifier": {"blast", "normal", "unfamiliar"}}[contract.task]
        missing = needed - set(contract.thresholds)
        in_range = all(0.0 <= float(t) <= 1.0 for t in contract.thresholds.values())
        if missing or not in_range or not contract.um_per_px > 0:
            raise ValueError("thresholds or scale")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"the contract in {file} cannot be read ({error})", remedy) from error
    if contract.task != task:
        raise ModelError(f"{file} is a {contract.task}, but a {task} is needed here", remedy)
    return contract
