"""Contracts of trained networks, and the settings they are deployed with."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from torch import nn

from edge_all.inference.contract import Contract
from edge_all_export.data.detector_samples import UM_PER_PX as FIELD_UM_PER_PX
from edge_all_export.models.checkpoint import Checkpoint
from edge_all_export.models.classifier.network import DeployedBlastNet
from edge_all_export.models.classifier.registry import form_of
from edge_all_export.models.thresholds import NOT_CHOSEN, Decision


def detector_contract(checkpoint: Checkpoint) -> Contract:
    """Build the contract of a detector."""
    return Contract(
        task="detector",
        name=checkpoint.architecture,
        version=str(checkpoint.recipe["version"]),
        um_per_px=FIELD_UM_PER_PX,
        input_px=0,
        outputs=("heat", "log_radius"),
        thresholds={"found": checkpoint.recipe["found"]},
        training_data=_sources(checkpoint),
        unseen_groups=checkpoint.unseen_groups,
        extra=_provenance(checkpoint),
    )


def classifier_contract(checkpoint: Checkpoint, decision: Decision) -> Contract:
    """Build the contract of a classifier."""
    form = form_of(checkpoint.architecture)
    return Contract(
        task="classifier",
        name=checkpoint.architecture,
        version=str(checkpoint.recipe["version"]),
        um_per_px=form.um_per_px,
        input_px=form.side,
        outputs=("blast_probability", "unfamiliarity"),
        thresholds={"blast": decision.blast, "normal": decision.normal, "unfamiliar": decision.unfamiliar},
        training_data=_sources(checkpoint),
        unseen_groups=checkpoint.unseen_groups,
        window="disc",
        extra={
            **_provenance(checkpoint),
            "suspect": decision.suspect,
            "cells": checkpoint.recipe["cells"],
            **({} if checkpoint.decision else {"thresholds_not_chosen": True}),
        },
    )


def _sources(checkpoint: Checkpoint) -> tuple[str, ...]:
    return tuple(sorted({g.split("/")[0] for g in checkpoint.seen_groups}))


def _provenance(checkpoint: Checkpoint) -> dict[str, object]:
    extra: dict[str, object] = {
        "recipe_sha256": checkpoint.recipe_sha256,
        "data_sha256": checkpoint.data_sha256,
        "seen_groups": sorted(g for g in checkpoint.seen_groups if not g.startswith("simulator/")),
    }
    if checkpoint.leaky:
        extra["leaky"] = True
    return extra


def decision_of(checkpoint: Checkpoint) -> Decision:
    """Return the checkpoint's calibration and thresholds; NOT_CHOSEN if it has none."""
    return Decision(**checkpoint.decision) if checkpoint.decision else NOT_CHOSEN


def model_name(checkpoint: Checkpoint) -> str:
    """Return the folder name among exported files: detector, classifier or classifier-segmented."""
    segmented = checkpoint.task == "classifier" and checkpoint.recipe["cells"] == "segmented"
    return SEGMENTED if segmented else checkpoint.task


SEGMENTED = "classifier-segmented"


def with_decision(checkpoint: Checkpoint, decision: Decision) -> Checkpoint:
    """Set the checkpoint's calibration and thresholds, and return it."""
    checkpoint.decision = asdict(decision)
    return checkpoint


def deployed_classifier(network: nn.Module, decision: Decision) -> DeployedBlastNet:
    """Wrap a classifier for deployment, with its calibration."""
    return DeployedBlastNet(network, decision.scale, decision.shift)


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
