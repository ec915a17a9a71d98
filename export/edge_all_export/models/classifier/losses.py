"""Loss of the classifier's training."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def pixels_of(image: Tensor) -> Tensor:
    """Convert uint8 N x S x S x 3 to float N x 3 x S x S, 0..255, channels last in memory."""
    return image.permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)


def logit_loss(logits: Tensor, labels: Sequence[Tensor], smoothing: float) -> Tensor:
    """Return the cross entropy of blast against normal where labeled, plus half that of unfamiliar against leukocyte.

    logits: N x 2. labels: blast N (1, 0, -1 for neither), outlier N (1, 0).
    """
    blast, outlier = labels
    labeled = (blast >= 0).float()
    cross = nn.functional.binary_cross_entropy_with_logits
    target = blast.clamp(min=0) * (1 - smoothing) + smoothing / 2
    loss = (cross(logits[:, 0], target, reduction="none") * labeled).sum() / labeled.sum().clamp(min=1)
    return loss + 0.5 * cross(logits[:, 1], outlier)
