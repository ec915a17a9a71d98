"""Training job of the detector: loss, held-out fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from edge_all.errors import UsageError
from edge_all_export.data.detector_samples import PreparedField, SampleMaker
from edge_all_export.data.splits import group_names, split_groups
from edge_all_export.models.base import ModelFamily
from edge_all_export.models.registry import family_of_recipe
from edge_all_export.recipes.recipe import Recipe
from edge_all_export.training.job import HeldOut, Job, JobData

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
    family = family_of_recipe(recipe)
    torch.manual_seed(recipe["seed"])
    return Job(
        recipe,
        family.build(pretrained=False),
        SampleMaker(seen, recipe["shares"], recipe["seed"]),
        lambda net, batch: family.loss(net, batch, 0.0),
        lambda net: [{"params": list(net.parameters()), "lr": recipe["rate"]}],
        _into_training,
        JobData(
            tuple(group_names((f.source, f.group) for f in seen)),
            tuple(group_names((f.source, f.group) for f in left)),
            data_sha256,
            leaky,
        ),
        HeldOut(lambda net: -held_out_loss(net, family, held, recipe)) if held else None,
    )


def _into_training(network: nn.Module) -> None:
    network.train()


@torch.inference_mode()
def held_out_loss(network: nn.Module, family: ModelFamily, fields: Sequence[PreparedField], recipe: Recipe) -> float:
    """Return the mean loss on random windows that are the same for each call."""
    network.eval()
    maker = SampleMaker(fields, recipe["shares"], recipe["seed"] + 1)
    device = next(network.parameters()).device
    losses = []
    for _ in range(_HELD_OUT_WINDOWS // 12):
        batch = [torch.from_numpy(a).to(device) for a in maker.batch(12)]
        losses.append(float(family.loss(network, batch, 0.0)))
    return float(np.mean(losses))
