"""Contracts of trained networks, and what they are deployed with."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from torch import nn

from edge_all.engines.contract import Contract
from edge_all_export.classifier.cells import SIDE
from edge_all_export.classifier.cells import UM_PER_PX as CELL_UM_PER_PX
from edge_all_export.classifier.network import DeployedBlastNet
from edge_all_export.decision import Decision
from edge_all_export.detector.samples import UM_PER_PX as FIELD_UM_PER_PX
from edge_all_export.training.checkpoint import Checkpoint


def detector_contract(checkpoint: Checkpoint) -> Contract:
    """What the device must know of a detector."""
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
    """What the device must know of a classifier."""
    return Contract(
        task="classifier",
        name=checkpoint.architecture,
        version=str(checkpoint.recipe["version"]),
        um_per_px=CELL_UM_PER_PX,
        input_px=SIDE,
        outputs=OUTPUTS if decision.segmented is None else (*OUTPUTS, SEGMENTED_OUTPUT),
        thresholds={"blast": decision.blast, "normal": decision.normal, "unfamiliar": decision.unfamiliar},
        training_data=_sources(checkpoint),
        unseen_groups=checkpoint.unseen_groups,
        window="disc",
        extra={**_provenance(checkpoint), "suspect": decision.suspect, **_segmented(decision)},
    )


OUTPUTS = ("blast_probability", "unfamiliarity")
SEGMENTED_OUTPUT = "segmented_blast_probability"


def _segmented(decision: Decision) -> dict[str, object]:
    if decision.segmented is None:
        return {}
    own = decision.segmented
    return {"segmented": {"blast": own.blast, "normal": own.normal, "suspect": own.suspect}}


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
    """The checkpoint's own calibration and thresholds, else the shipped classifier's."""
    values = checkpoint.decision
    if not values:
        from edge_all_export.training.checkpoint import load_checkpoint

        values = load_checkpoint(shipped_checkpoint("classifier")).decision
    decision = Decision.of(values)
    return decision if checkpoint.recipe["segmented_output"] else replace(decision, segmented=None)


def with_decision(checkpoint: Checkpoint, decision: Decision) -> Checkpoint:
    """The same weights with calibration and thresholds."""
    checkpoint.decision = asdict(decision)
    return checkpoint


def deployed_classifier(network: nn.Module, decision: Decision) -> DeployedBlastNet:
    """With calibration."""
    own = decision.segmented
    return DeployedBlastNet(network, decision.scale, decision.shift, (own.scale, own.shift) if own else None)


CHECKPOINTS = Path(__file__).resolve().parents[1] / "checkpoints"
"""Of the shipped models and of their folds; in the repository, not in the wheel."""


def shipped_checkpoint(name: str) -> Path:
    """export/checkpoints/NAME.pt. Raises EdgeAllError where it is not (an installed wheel)."""
    from edge_all.errors import EdgeAllError

    path = CHECKPOINTS / f"{name}.pt"
    if not path.is_file():
        raise EdgeAllError(
            f"the checkpoint {name}.pt is not here", "work in a checkout of the project, or name your own checkpoint"
        )
    return path
