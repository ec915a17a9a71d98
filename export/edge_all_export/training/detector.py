"""Training job of the detector: loss, held-out fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from edge_all.errors import UsageError
from edge_all_export.data.detector_samples import PreparedField, SampleMaker
from edge_all_export.data.splits import group_names, split_groups
from edge_all_export.models.detector import LeukocyteNet
from edge_all_export.recipes.recipe import Recipe
from edge_all_export.training.job import Job

_HELD_OUT_WINDOWS = 96


def detector_job(
    fields: Sequence[PreparedField],
    recipe: Recipe,
    data_sha256: str,
    *,
    leave_out: Callable[[PreparedField], bool] | None = None,
    leaky: bool = False,
) -> Job:
    """Create a job that trains on all fields except those left out (never seen) and held out (early stopping only).

    Raises UsageError when no labeled field is left, or early stopping has no held-out fields.
    """
    left, held, seen = split_groups(fields, recipe, leave_out, leaky)
    if not any(len(f.objects) for f in seen):
        raise UsageError("no labeled field is left to train on", "leave fewer groups out, or name more data")
    if recipe["patience"] and not held:
        raise UsageError(
            "early stopping needs held-out fields", "name groups under [data] hold_out, or set patience = 0"
        )
    torch.manual_seed(recipe["seed"])
    return Job(
        recipe,
        LeukocyteNet(),
        SampleMaker(seen, recipe["shares"], recipe["seed"]),
        _batch_loss,
        lambda net: [{"params": list(net.parameters()), "lr": recipe["rate"]}],
        _into_training,
        tuple(group_names((f.source, f.group) for f in seen)),
        tuple(group_names((f.source, f.group) for f in left)),
        data_sha256,
        (lambda net: -held_out_loss(net, held, recipe)) if held else None,
        leaky,
    )


def _into_training(network: nn.Module) -> None:
    network.train()


def _batch_loss(network: nn.Module, batch: Sequence[Tensor]) -> Tensor:
    image, heat, log_radius, weight = batch
    return loss_of(network(image.permute(0, 3, 1, 2).float()).float(), heat, log_radius, weight)


@torch.inference_mode()
def held_out_loss(network: nn.Module, fields: Sequence[PreparedField], recipe: Recipe) -> float:
    """Return the mean loss on random windows that are the same for each call."""
    network.eval()
    maker = SampleMaker(fields, recipe["shares"], recipe["seed"] + 1)
    device = next(network.parameters()).device
    losses = []
    for _ in range(_HELD_OUT_WINDOWS // 12):
        batch = [torch.from_numpy(a).to(device) for a in maker.batch(12)]
        losses.append(float(_batch_loss(network, batch)))
    return float(np.mean(losses))


def loss_of(maps: Tensor, heat: Tensor, log_radius: Tensor, weight: Tensor) -> Tensor:
    """Return the penalty-reduced focal loss of the centers (Law and Deng 2018) plus half the L1 loss of the radius.

    The focal loss uses alpha 2 and beta 4.
    """
    logits = maps[:, :2]
    p = torch.sigmoid(logits)
    peak = (heat > 0.99).float()
    w = weight[:, None]
    positive = torch.nn.functional.logsigmoid(logits) * (1 - p) ** 2 * peak * w
    negative = torch.nn.functional.logsigmoid(-logits) * p**2 * (1 - heat) ** 4 * (1 - peak) * w
    count = peak.sum().clamp(min=1)
    near = (log_radius != 0).float() * weight
    radius = ((maps[:, 2] - log_radius).abs() * near).sum() / near.sum().clamp(min=1)
    return -(positive.sum() + negative.sum()) / count + 0.5 * radius
