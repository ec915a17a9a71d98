"""Facts about a model file, found by its sha256: its model card and its contract."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edge_all.domain.types import ModelIdentity
from edge_all.errors import EdgeAllError
from edge_all.inference.contract import TASKS
from edge_all.inference.onnx_file import read_model_file

CARD = "MODEL_CARD.md"
_UNKNOWN = "unknown; the model file is not available"


@dataclass(frozen=True)
class ModelFacts:
    """Identity of a model, with the training data, unseen groups and limits stated in its model card."""

    identity: ModelIdentity
    precision: str
    """The file's name: float, fp16, int8-cpu or int8-trt; "unknown" if the file is not available."""
    training_data: str
    unseen_groups: str
    known_limits: str


def model_facts(identity: ModelIdentity, folders: Iterable[Path]) -> ModelFacts:
    """Find the file with the model's sha256 in the models folders (DIR/detector/*.onnx ...).

    Files that cannot be read are skipped.
    """
    for folder in folders:
        for path in sorted(folder.glob("*/*.onnx")):
            if _sha256(path) == identity.sha256:
                return _facts(identity, path)
    return ModelFacts(identity, "unknown", _UNKNOWN, _UNKNOWN, _UNKNOWN)


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _facts(identity: ModelIdentity, path: Path) -> ModelFacts:
    try:
        card = (path.parent / CARD).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        card = ""
    data, unseen = _item(card, "Trained on"), _item(card, "Groups it has not seen:")
    if not data:
        data, unseen = _contract(path)
    limits = _item(card, "Known limits:") or "not stated; the model file has no model card"
    return ModelFacts(identity, path.stem, data, unseen or "not stated", limits)


def _item(card: str, begins: str) -> str:
    """Return a list item of the card on one line, without its first words."""
    found = re.search(rf"^- {re.escape(begins)}\s*(.*?)(?=^- |^\||^#|\Z|\n\n)", card, re.MULTILINE | re.DOTALL)
    return " ".join(found.group(1).split()).rstrip(".") if found else ""


def _contract(path: Path) -> tuple[str, str]:
    for task in TASKS:
        try:
            contract = read_model_file(path, task).contract
        except EdgeAllError:
            continue
        return ", ".join(contract.training_data), ", ".join(contract.unseen_groups) or "none"
    return _UNKNOWN, _UNKNOWN
