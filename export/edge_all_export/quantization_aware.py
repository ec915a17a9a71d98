"""Training again with INT8's rounding in every convolution, for networks that lose too much without it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edge_all_export.recipe import Recipe
from edge_all_export.training.checkpoint import Checkpoint
from edge_all_export.training.fit import fit
from edge_all_export.training.job import Job

_KEPT = 0.95
"""Of the old range, each time a batch is seen (Jacob et al. 2018, exponential moving average)."""


class RoundedConv2d(nn.Conv2d):
    """A convolution whose input and weights are rounded to 8 bits, gradients passing straight through (Jacob et al.
    2018). The weights' scales are per output channel, symmetric; the input's one range is a moving average.

    Rounding before batch norm is folded in is the same as after: its factor is per output channel too.
    """

    low: float
    high: float

    def forward(self, x: Tensor) -> Tensor:
        """As Conv2d."""
        if self.training:
            low, high = (float(v) for v in x.detach().aminmax())
            self.low, self.high = _KEPT * self.low + (1 - _KEPT) * low, _KEPT * self.high + (1 - _KEPT) * high
        low, high = min(self.low, 0.0), max(self.high, 1e-6)
        scale = (high - low) / 255
        zero = round(-low / scale)
        x = torch.fake_quantize_per_tensor_affine(x, scale, zero, 0, 255)
        scales = (self.weight.detach().abs().amax((1, 2, 3)) / 127).clamp(min=1e-8)
        zeros = torch.zeros(len(scales), dtype=torch.int32, device=scales.device)
        weight = torch.fake_quantize_per_channel_affine(self.weight, scales, zeros, 0, -127, 127)
        return self._conv_forward(x, weight, self.bias)


def rounded(network: nn.Module, images: Tensor) -> nn.Module:
    """The same network, in place, its convolutions rounding from now on; names and values of its weights stay.

    images: float N x 3 x H x W, 0..255, to begin the ranges with.
    """
    ranges: dict[nn.Conv2d, tuple[float, float]] = {}

    def watch(module: nn.Conv2d, inputs: tuple[Tensor, ...]) -> None:
        low, high = inputs[0].aminmax()
        ranges[module] = (float(low), float(high))

    handles = [m.register_forward_pre_hook(watch) for m in network.modules() if isinstance(m, nn.Conv2d)]
    network.eval()
    with torch.no_grad():
        network(images)
    for handle in handles:
        handle.remove()
    for module, (low, high) in ranges.items():
        module.__class__ = RoundedConv2d
        module.low, module.high = low, high  # type: ignore[assignment]
    return network


def trained_with_rounding(
    checkpoint: Checkpoint, job_of: Callable[[Recipe], Job], say: Callable[[str], None]
) -> Checkpoint:
    """The checkpoint's network taken up again for two short epochs at a tenth of the rate, with INT8's rounding; batch
    norm keeps its statistics. job_of: the training without the checkpoint's unseen groups."""
    short: dict[str, Any] = {"epochs": 2, "patience": 0, "rate": checkpoint.recipe["rate"] / 10}
    if checkpoint.task == "classifier":
        short |= {"probe_batches": 0, "pretrained": False}
    recipe = Recipe(checkpoint.recipe_name, checkpoint.recipe).but(**short)
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
        made = fit(job, Path(folder), checkpoint.architecture, say=say, resume=False)
    return replace(checkpoint, weights=made.weights)
