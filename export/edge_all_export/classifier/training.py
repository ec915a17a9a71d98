"""Fine-tunes a blast classifier."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch

from edge_all_export.classifier.cells import TrainingCell
from edge_all_export.classifier.network import BlastNet
from edge_all_export.classifier.samples import CellSampler, plain_view

SHARES = {
    ("allidb1", "blast"): 0.20,
    ("cnmc", "blast"): 0.18,
    ("simulator", "blast"): 0.10,
    ("allidb1", "normal"): 0.14,
    ("cnmc", "normal"): 0.18,
    ("bccd", "normal"): 0.06,
    ("draaslan", "normal"): 0.05,
    ("pbc", "normal"): 0.12,
    ("simulator", "normal"): 0.11,
    ("allidb1", "outlier"): 0.10,
    ("bccd", "outlier"): 0.02,
    ("pbc", "outlier"): 0.03,
    ("simulator", "outlier"): 0.08,
}
"""Share of the views from each source and kind. Sources that hold both blasts and normal cells teach what tells them
apart; sources with one class only could be told by their colours."""


def train_classifier(
    cells: Sequence[TrainingCell],
    *,
    steps: int,
    seed: int = 0,
    batch: int = 32,
    rate: float = 4e-4,
    shares: dict[tuple[str, str], float] | None = None,
    frozen_blocks: int = 5,
    say: Callable[[str], None] = print,
) -> BlastNet:
    """A fine-tuned network (moving average of the weights; batch-norm statistics stay ImageNet's)."""
    torch.manual_seed(seed)
    sampler = CellSampler(cells, SHARES if shares is None else shares, seed)
    network = BlastNet()
    body = network.body
    # Early layers see edges and colours that ImageNet knows well; freezing them halves the work.
    for part in [body._conv_stem, body._bn0, *body._blocks[:frozen_blocks]]:
        part.requires_grad_(False)
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99)
    )
    trained = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.15)
    total, begun = 0.0, time.monotonic()
    for step in range(1, steps + 1):
        image, blast, outlier = (torch.from_numpy(a) for a in sampler.batch(batch))
        network.train()
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()
        logits = network(image.float().permute(0, 3, 1, 2))
        judged = (blast >= 0).float()
        cross = torch.nn.functional.binary_cross_entropy_with_logits
        target = blast.clamp(min=0) * 0.96 + 0.02
        loss = (cross(logits[:, 0], target, reduction="none") * judged).sum() / judged.sum().clamp(min=1)
        loss = loss + 0.5 * cross(logits[:, 1], outlier)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 5.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(network)
        total += float(loss.detach())
        if step % 50 == 0:
            say(f"step {step}/{steps} loss {total / 50:.3f} {time.monotonic() - begun:.0f} s")
            total = 0.0
    result = average.module
    assert isinstance(result, BlastNet)
    return result.eval()


@torch.inference_mode()
def logits_of(network: BlastNet, cells: Sequence[TrainingCell]) -> npt.NDArray[np.float32]:
    """Logits N x 2 of plain views."""
    parts = []
    for start in range(0, len(cells), 64):
        views = np.stack([plain_view(c) for c in cells[start : start + 64]])
        parts.append(network(torch.from_numpy(views).float().permute(0, 3, 1, 2)).numpy())
    return np.concatenate(parts) if parts else np.zeros((0, 2), np.float32)
