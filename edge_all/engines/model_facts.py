"""What is known of a model file by its sha256: its card and its contract, found among the files at hand."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edge_all.engines.contract import TASKS
from edge_all.engines.model_file import read_model_file
from edge_all.errors import EdgeAllError
from edge_all.vocabulary import ModelIdentity

CARD = "MODEL_CARD.md"
_UNKNOWN = "not known here: the model file is not at hand"


@dataclass(frozen=True)
class ModelFacts:
    """identity, and what the card beside the file says of training data, unseen groups and limits."""

    identity: ModelIdentity
    precision: str
    """float, fp16, int8-cpu, int8-trt: the file's name; "unknown" where the file is not at hand."""
    training_data: str
    unseen_groups: str
    known_limits: str


def model_facts(identity: ModelIdentity, folders: Iterable[Path]) -> ModelFacts:
    """Look for the file of that sha256 in the models folders (DIR/detector/*.onnx ...). Never raises for a file that
    cannot be read: it is not the one then."""
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
    limits = _item(card, "Known limits:") or "the model file has no card that states them"
    return ModelFacts(identity, path.stem, data, unseen or "not stated", limits)


def _item(card: str, begins: str) -> str:
    """A list item of the card, without its first words, on one line."""
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
