"""Trains a leukocyte detector on prepared fields."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from edge_all_export.detector.network import LeukocyteNet
from edge_all_export.detector.samples import PreparedField, SampleMaker

WEIGHTS = {"allidb1": 0.5, "bccd": 0.15, "draaslan": 0.1, "pbc": 0.1, "simulator": 0.2}
"""Share of the windows from each source (normalised over those there are)."""


def loss_of(maps: Tensor, heat: Tensor, log_radius: Tensor, weight: Tensor) -> Tensor:
    """Penalty-reduced focal loss of the centres (Law and Deng 2018, alpha 2, beta 4) and L1 of the radius."""
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


def train_detector(
    fields: Sequence[PreparedField],
    *,
    steps: int,
    seed: int = 0,
    batch: int = 12,
    rate: float = 3e-3,
    say: Callable[[str], None] = print,
) -> LeukocyteNet:
    """A trained network with an exponential moving average of its weights; deterministic by seed on one thread."""
    torch.manual_seed(seed)
    maker = SampleMaker(fields, WEIGHTS, seed)
    network = LeukocyteNet()
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995), use_buffers=True
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    network.train()
    total, begun = 0.0, time.monotonic()
    for step in range(1, steps + 1):
        image, heat, log_radius, weight = (torch.from_numpy(a) for a in maker.batch(batch))
        maps = network(image.float().permute(0, 3, 1, 2))
        loss = loss_of(maps, heat, log_radius, weight)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(network)
        total += float(loss.detach())
        if step % 100 == 0:
            say(f"step {step}/{steps} loss {total / 100:.3f} {time.monotonic() - begun:.0f} s")
            total = 0.0
    trained = average.module
    assert isinstance(trained, LeukocyteNet)
    return trained.eval()
