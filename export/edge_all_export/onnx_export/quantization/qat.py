"""Quantization-aware retraining with INT8 rounding in each convolution, for networks that lose too much without it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edge_all_export.models.checkpoint import Checkpoint, recipe_of
from edge_all_export.models.fake_quant import rounded
from edge_all_export.recipes.recipe import Recipe
from edge_all_export.training.job import Job
from edge_all_export.training.loop import fit


def train_with_fake_quantization(checkpoint: Checkpoint, job_of: Callable[[Recipe], Job]) -> Checkpoint:
    """Retrain the checkpoint's network for two epochs at a tenth of the rate, with INT8 rounding.

    Batch norm keeps its statistics. job_of: creates the training job without the checkpoint's unseen groups.
    """
    short: dict[str, Any] = {"epochs": 2, "patience": 0, "rate": checkpoint.recipe["rate"] / 10}
    # What a recipe does before the first epoch has been done.
    short |= {k: v for k, v in {"probe_batches": 0, "pretrained": False}.items() if k in checkpoint.recipe}
    recipe = recipe_of(checkpoint).but(**short)
    job = job_of(recipe)
    job.network.load_state_dict(checkpoint.weights)
    job.sampler.begin_epoch(2**20 + 1, 0)  # random numbers that no epoch uses
    images: Any = job.sampler.batch(recipe["batch"])[0]
    rounded(job.network, torch.from_numpy(images).permute(0, 3, 1, 2).float())
    into_training = job.into_training

    def begin(network: nn.Module) -> None:
        into_training(network)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()

    job.into_training = begin
    with tempfile.TemporaryDirectory() as folder:
        made = fit(job, Path(folder), checkpoint.architecture, resume=False)
    return replace(checkpoint, weights=made.weights)
