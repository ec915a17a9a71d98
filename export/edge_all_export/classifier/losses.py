"""What the classifier's training minimises, and which logit holds for which cell."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def pixels_of(image: Tensor) -> Tensor:
    """uint8 N x S x S x 3 -> float N x 3 x S x S, 0..255, channels last in memory."""
    return image.permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)


def blast_logit(logits: Tensor, segmented: Tensor) -> Tensor:
    """N: the logit that holds for each cell, cut out of its surroundings (1) or not (0)."""
    return logits[:, 0] + segmented * logits[:, 2] if logits.shape[1] > 2 else logits[:, 0]


def logit_loss(logits: Tensor, labels: Sequence[Tensor], smoothing: float) -> Tensor:
    """Cross entropy of blast against normal where the label says, and half that of unfamiliar against leukocyte."""
    blast, outlier, segmented = labels
    judged = (blast >= 0).float()
    cross = nn.functional.binary_cross_entropy_with_logits
    target = blast.clamp(min=0) * (1 - smoothing) + smoothing / 2
    loss = (cross(blast_logit(logits, segmented), target, reduction="none") * judged).sum() / judged.sum().clamp(min=1)
    return loss + 0.5 * cross(logits[:, 1], outlier)
