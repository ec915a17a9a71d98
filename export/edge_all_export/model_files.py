"""Trained networks -> the model files of edge_all/models."""

from __future__ import annotations

from pathlib import Path

import torch

from edge_all.engines.contract import Contract
from edge_all_export.classifier.cells import SIDE
from edge_all_export.classifier.cells import UM_PER_PX as CELL_UM_PER_PX
from edge_all_export.classifier.network import BlastNet, DeployedBlastNet
from edge_all_export.decision import Decision
from edge_all_export.detector.network import DeployedLeukocyteNet, LeukocyteNet
from edge_all_export.detector.samples import UM_PER_PX as FIELD_UM_PER_PX
from edge_all_export.recipe import Recipe
from edge_all_export.to_onnx import export_onnx


def write_detector(
    network: LeukocyteNet, recipe: Recipe, sources: tuple[str, ...], unseen: tuple[str, ...], path: Path
) -> None:
    """A detector's float.onnx."""
    contract = Contract(
        task="detector",
        name="leukocyte-net",
        version=recipe["version"],
        um_per_px=FIELD_UM_PER_PX,
        input_px=0,
        outputs=("heat", "log_radius"),
        thresholds={"found": recipe["found"]},
        training_data=sources,
        unseen_groups=unseen,
        extra={"recipe_sha256": recipe.sha256},
    )
    example = torch.zeros(1, 192, 192, 3, dtype=torch.uint8)
    export_onnx(DeployedLeukocyteNet(network), example, contract, path, free_axes=(0, 1, 2))


def write_classifier(
    network: BlastNet, recipe: Recipe, decision: Decision, sources: tuple[str, ...], unseen: tuple[str, ...], path: Path
) -> None:
    """A classifier's float.onnx with its calibration and thresholds."""
    contract = Contract(
        task="classifier",
        name="blast-net",
        version=recipe["version"],
        um_per_px=CELL_UM_PER_PX,
        input_px=SIDE,
        outputs=("blast_probability", "unfamiliarity"),
        thresholds={"blast": decision.blast, "normal": decision.normal, "unfamiliar": decision.unfamiliar},
        training_data=sources,
        unseen_groups=unseen,
        window="disc",
        extra={"recipe_sha256": recipe.sha256},
    )
    example = torch.zeros(2, SIDE, SIDE, 3, dtype=torch.uint8)
    export_onnx(DeployedBlastNet(network, decision.scale, decision.shift), example, contract, path, free_axes=(0,))
