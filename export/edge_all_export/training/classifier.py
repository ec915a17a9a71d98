"""Training job of the classifier: loss, modes, held-out cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from edge_all.errors import UsageError
from edge_all_export.data.cells import TrainingCell
from edge_all_export.data.classes import BLAST, SCORED
from edge_all_export.data.classifier_samples import CellSampler, plain_view
from edge_all_export.data.splits import group_names, split_groups
from edge_all_export.models.classifier.losses import pixels_of
from edge_all_export.models.registry import find_classifier
from edge_all_export.models.thresholds import choose_decision
from edge_all_export.recipes.recipe import Recipe
from edge_all_export.training.frozen_trunk import solve_last_layer
from edge_all_export.training.job import HeldOut, Job, JobData
from edge_all_export.training.probe import start_from_probe


def classifier_job(
    cells: Sequence[TrainingCell],
    recipe: Recipe,
    data_sha256: str,
    *,
    leave_out: Callable[[TrainingCell], bool] | None = None,
    leaky: bool = False,
) -> Job:
    """Create a job that trains on all cells except those left out (never seen) and held out (early stopping only).

    Raises UsageError when blasts or normal cells are missing, or early stopping has no held-out cells.
    """
    left, held, seen = split_groups(cells, recipe, leave_out, leaky)
    for kind in SCORED:
        if not any(c.kind == kind for c in seen):
            groups = group_names((c.source, c.group) for c in cells if c.kind == kind)
            why = f"all come from one group, {groups[0]}: no honest split is possible" if len(groups) == 1 else ""
            raise UsageError(
                f"no {kind} cell is left to train on",
                why or "leave fewer groups out, or name more data under [data] paths",
            )
    scored = [c for c in held if c.kind in SCORED]
    both = {c.kind for c in scored} == set(SCORED)
    if recipe["patience"] and not both:
        raise UsageError(
            "early stopping needs blast and normal cells in held-out groups",
            "name groups of both under [data] hold_out, or set patience = 0",
        )
    family = find_classifier(recipe["network"])
    torch.manual_seed(recipe["seed"])
    network = family.build(recipe["pretrained"], recipe["dropout"])
    sampler = CellSampler(seen, recipe["shares"], recipe["seed"])
    probed, solved = family.probed_part(network), family.solved_part(network)
    if recipe["probe_batches"] and probed is not None:
        start_from_probe(probed, sampler, seen, recipe)
    if solved is not None:
        solve_last_layer(solved, seen, recipe["untouched_penalty"] or 1e-3, recipe["label_smoothing"])
    return Job(
        recipe,
        network,
        sampler,
        lambda net, batch: family.loss(net, batch, recipe["label_smoothing"]),
        lambda net: trained_parameters(family.trained_part(net), recipe),
        into_training,
        JobData(
            tuple(group_names((c.source, c.group) for c in seen)),
            tuple(group_names((c.source, c.group) for c in left)),
            data_sha256,
            leaky,
        ),
        HeldOut(lambda net: held_out_auroc(net, scored), lambda net: held_out_decision(net, scored)) if both else None,
    )


def into_training(network: nn.Module) -> None:
    """Set training mode, except for batch norm with ImageNet statistics, so that it does not learn the cameras."""
    network.train()
    if getattr(network, "keeps_statistics", False):
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()


def trained_parameters(network: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Return the parameters for the optimizer: body, then head with its own rate. The first blocks may be frozen."""
    trunk = getattr(network, "trunk", None)
    if trunk is not None and recipe["frozen_blocks"]:
        # Early layers detect edges and colors, which ImageNet covers well.
        for part in [trunk.stem, trunk.stem_norm, *trunk.blocks[: recipe["frozen_blocks"]]]:
            part.requires_grad_(False)
    head = [p for n, p in network.named_parameters() if p.requires_grad and n.startswith("head")]
    body = [p for n, p in network.named_parameters() if p.requires_grad and not n.startswith("head")]
    groups = [{"params": body, "lr": recipe["rate"]}]
    if head:
        groups.append({"params": head, "lr": recipe["rate"] * recipe["head_rate"]})
    return groups


def held_out_auroc(network: nn.Module, cells: Sequence[TrainingCell]) -> float:
    """Return the AUROC of blast against normal."""
    from sklearn.metrics import roc_auc_score

    logits = logits_of(network, cells)[:, 0]
    return float(roc_auc_score([c.kind == BLAST for c in cells], logits))


def held_out_decision(network: nn.Module, cells: Sequence[TrainingCell]) -> dict[str, Any]:
    """Return calibration and thresholds as the fields of a Decision."""
    blast, unfamiliar = logits_of(network, cells).T.astype(np.float64)
    is_blast = np.array([c.kind == BLAST for c in cells])
    return asdict(choose_decision(blast, 1 / (1 + np.exp(-unfamiliar)), is_blast))


@torch.inference_mode()
def logits_of(network: nn.Module, cells: Sequence[TrainingCell]) -> npt.NDArray[np.float32]:
    """Return the logits of plain views, N x 2: blast and unfamiliar."""
    network.eval()
    device = next(network.parameters()).device
    parts = []
    for start in range(0, len(cells), 64):
        views = np.stack([plain_view(c) for c in cells[start : start + 64]])
        parts.append(network(pixels_of(torch.from_numpy(views).to(device))).cpu().numpy())
    return np.concatenate(parts) if parts else np.zeros((0, 2), np.float32)
