"""The contract a model file carries in its metadata: what it takes, what it means, how it was made."""

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
    """Everything the device must know of a model file."""

    task: str
    """"detector" or "classifier"."""
    name: str
    version: str
    um_per_px: float
    """Scale of the input images."""
    input_px: int
    """Side of the square input; 0 where any multiple of 16 will do (the detector)."""
    outputs: tuple[str, ...]
    thresholds: Mapping[str, float]
    """detector: found. classifier: blast, normal, unfamiliar."""
    training_data: tuple[str, ...]
    unseen_groups: tuple[str, ...]
    """Groups of the training data that the weights have never seen."""
    window: str = "none"
    """classifier: "none" or "disc" (what is outside the cell's circle is faded to background)."""
    notes: str = ""
    contract_version: int = CONTRACT_VERSION
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """One line of JSON with sorted keys: the same contract gives the same bytes."""
        return json.dumps(asdict(self), sort_keys=True)


def read_contract(metadata: Mapping[str, str], file: str, task: str) -> Contract:
    """The contract in an ONNX file's metadata.

    Raises ModelError when there is none, when it is of another version or for another task.
    """
    text = metadata.get(METADATA_KEY)
    remedy = "take a file made by 'edge-all export', or leave --models out for the shipped ones"
    if text is None:
        raise ModelError(f"{file} carries no edge-all contract", remedy)
    try:
        values = json.loads(text)
        version = values["contract_version"]
        if version != CONTRACT_VERSION:
            raise ModelError(f"{file} has contract version {version}, this program reads {CONTRACT_VERSION}", remedy)
        for name in ("outputs", "training_data", "unseen_groups"):
            values[name] = tuple(values[name])
        contract = Contract(**values)
        needed = {"detector": {"found"}, "classifier": {"blast", "normal", "unfamiliar"}}[contract.task]
        missing = needed - set(contract.thresholds)
        in_range = all(0.0 <= float(t) <= 1.0 for t in contract.thresholds.values())
        if missing or not in_range or not contract.um_per_px > 0:
            raise ValueError("thresholds or scale")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{file} carries a contract that cannot be read ({error})", remedy) from error
    if contract.task != task:
        raise ModelError(f"{file} is a {contract.task}, a {task} is needed here", remedy)
    return contract
