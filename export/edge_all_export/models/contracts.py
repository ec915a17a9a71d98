"""Parts of the contracts of trained networks, and the settings they are deployed with."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from edge_all.inference.contract import Contract
from edge_all_export.models.checkpoint import Checkpoint
from edge_all_export.models.kind_thresholds import KINDS_NOT_CHOSEN, KindDecision
from edge_all_export.models.thresholds import NOT_CHOSEN, Decision


def sources_of(checkpoint: Checkpoint) -> tuple[str, ...]:
    """Return the names of the sources that a checkpoint was trained on, sorted."""
    return tuple(sorted({g.split("/")[0] for g in checkpoint.seen_groups}))


def provenance(checkpoint: Checkpoint) -> dict[str, object]:
    """Return a contract's extra entries about the origin of a checkpoint: recipe, data and groups."""
    extra: dict[str, object] = {
        "recipe_sha256": checkpoint.recipe_sha256,
        "data_sha256": checkpoint.data_sha256,
        "seen_groups": sorted(g for g in checkpoint.seen_groups if not g.startswith("simulator/")),
    }
    if checkpoint.leaky:
        extra["leaky"] = True
    return extra


def decision_of(checkpoint: Checkpoint) -> Decision:
    """Return the calibration and thresholds of a classifier of blasts; NOT_CHOSEN if it has none."""
    return Decision(**checkpoint.decision) if checkpoint.decision else NOT_CHOSEN


def kind_decision_of(checkpoint: Checkpoint) -> KindDecision:
    """Return the temperature and thresholds of a classifier of kinds; KINDS_NOT_CHOSEN if it has none."""
    return KindDecision(**checkpoint.decision) if checkpoint.decision else KINDS_NOT_CHOSEN


def model_name(contract: Contract) -> str:
    """Return the folder name among exported files: detector, classifier or classifier-segmented."""
    return SEGMENTED if contract.extra.get("cells") == "segmented" else contract.task


SEGMENTED = "classifier-segmented"


def with_decision(checkpoint: Checkpoint, decision: Decision | KindDecision) -> Checkpoint:
    """Set the checkpoint's calibration and thresholds, and return it."""
    checkpoint.decision = asdict(decision)
    return checkpoint


CHECKPOINTS = Path(__file__).resolve().parents[2] / "checkpoints"
"""Folder of the checkpoints of the shipped models and their folds; in the repository, not in the wheel."""


def shipped_checkpoint(name: str) -> Path:
    """Return the path export/checkpoints/NAME.pt. Raises EdgeAllError when it does not exist (an installed wheel)."""
    from edge_all.errors import EdgeAllError

    path = CHECKPOINTS / f"{name}.pt"
    if not path.is_file():
        raise EdgeAllError(
            f"the checkpoint {name}.pt is not installed", "use a checkout of the project, or name your own checkpoint"
        )
    return path
