"""Contract in a model file's metadata: its input, the meaning of its outputs and its training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from edge_all.domain.labels import MODEL_KINDS
from edge_all.errors import ModelError

METADATA_KEY = "edge_all.contract"
SELF_CHECK_KEY = "edge_all.self_check"
CONTRACT_VERSION = 1
TASKS = ("detector", "classifier")
KINDS_OUTPUT, FEATURES_OUTPUT = "kinds", "features"
_THRESHOLDS = {"detector": ("found",), "classifier": ("blast", "normal", "unfamiliar")}
_THRESHOLDS_OF_KINDS = ("blast", "normal", "kind")


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
    """Thresholds from 0 to 1. Detector: found. Classifier: blast and normal, and kind (if it gives kinds) or
    unfamiliar (if not)."""
    training_data: tuple[str, ...]
    unseen_groups: tuple[str, ...]
    """Groups of the training data that were held out from training."""
    window: str = "none"
    """Window of the classifier: "none", or "disc" (the area outside the cell's circle fades to background)."""
    notes: str = ""
    contract_version: int = CONTRACT_VERSION
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def gives_kinds(self) -> bool:
        """True for a classifier that gives a probability for each of MODEL_KINDS, and the features before them.

        The other form gives a blast probability and an unfamiliarity.
        """
        return self.task == "classifier" and KINDS_OUTPUT in self.outputs

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the columns of the output "kinds", a permutation of MODEL_KINDS; empty for the other form."""
        return tuple(self.extra["kinds"]) if self.gives_kinds else ()

    @property
    def coarsest_um_per_px(self) -> float | None:
        """Coarsest scale of a picture, um per pixel, in which the model works; None if there is no limit."""
        limit = self.extra.get("coarsest_um_per_px")
        return None if limit is None else float(limit)

    @property
    def least_sharpness(self) -> float | None:
        """Least sharpness of a field, as the gate measures it, whose cells may be classified; None without a limit."""
        limit = self.extra.get("least_sharpness")
        return None if limit is None else float(limit)

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
        _check(contract)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"the contract in {file} cannot be read ({error})", remedy) from error
    if contract.task != task:
        raise ModelError(f"{file} is a {contract.task}, but a {task} is needed here", remedy)
    return contract


def _check(contract: Contract) -> None:
    """Raise ValueError with the first value that a device cannot use."""
    if contract.task not in TASKS:
        raise ValueError(f"its task is {str(contract.task)[:20]!r}")
    if not contract.um_per_px > 0:
        raise ValueError(f"um_per_px is {contract.um_per_px!r}")
    needed = _THRESHOLDS_OF_KINDS if contract.gives_kinds else _THRESHOLDS[contract.task]
    if missing := [name for name in needed if name not in contract.thresholds]:
        raise ValueError(f"the threshold {missing[0]} is missing")
    if outside := [name for name, value in contract.thresholds.items() if not 0.0 <= float(value) <= 1.0]:
        raise ValueError(f"the threshold {outside[0]} is outside 0 to 1")
    _check_above_0(contract, "coarsest_um_per_px", "least_sharpness")
    if contract.task == "classifier":
        _check_classifier(contract)


def _check_above_0(contract: Contract, *names: str) -> None:
    for name in names:
        if name in contract.extra and not float(contract.extra[name]) > 0:
            raise ValueError(f"{name} is {contract.extra[name]!r}, which is not above 0")


def _check_classifier(contract: Contract) -> None:
    if contract.thresholds["normal"] > contract.thresholds["blast"]:
        raise ValueError("the threshold normal is above the threshold blast")
    if not contract.gives_kinds:
        if len(contract.outputs) != 2:
            raise ValueError(f"it has {len(contract.outputs)} outputs; a classifier has two")
        return
    if contract.outputs != (KINDS_OUTPUT, FEATURES_OUTPUT):
        raise ValueError(f"its outputs are {', '.join(contract.outputs)}; expected {KINDS_OUTPUT}, {FEATURES_OUTPUT}")
    if sorted(contract.extra.get("kinds", ())) != sorted(MODEL_KINDS):
        raise ValueError(f"its kinds are not {', '.join(MODEL_KINDS)}")
    _check_above_0(contract, "temperature")
