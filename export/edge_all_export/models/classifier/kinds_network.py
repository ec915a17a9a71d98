"""The classifier of kinds: ten kinds of cell from one small trunk."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edge_all_export.data.kinds import KINDS
from edge_all_export.models.classifier.folded import FoldedTrunk
from edge_all_export.models.classifier.inverted_residual import LITE0_BLOCKS

ARCHITECTURE = "kinds-net"
SIDE = 144
UM_PER_PX = 0.14
"""Fine enough for chromatin, wide enough (20 um) for a monocyte."""
FROZEN_BLOCKS = 6
TAPS = (4, 7, 10)
"""Blocks whose maps are averaged: texture, structure, shape."""
FROZEN_TAP = 4


class KindsNet(nn.Module):
    """Input float N x 3 x S x S, 0..255. Returns logits N x 10, in the order of KINDS.

    The stem and the first six blocks of EfficientNet-Lite0 (Tan and Le 2019) stay as ImageNet made them, with their
    statistics; blocks 6 to 10 are trained. The means of the maps at three depths, standardized, feed one linear layer.
    """

    feature_mean: Tensor
    feature_scale: Tensor

    def __init__(self, pretrained: bool = True, dropout: float = 0.3) -> None:
        super().__init__()
        self.trunk = FoldedTrunk(max(TAPS) + 1, FROZEN_BLOCKS, pretrained)
        count = sum(LITE0_BLOCKS[tap][4] for tap in TAPS)
        self.register_buffer("feature_mean", torch.zeros(count))
        self.register_buffer("feature_scale", torch.ones(count))
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(count, len(KINDS))

    def forward(self, image: Tensor) -> Tensor:
        """Return logits, N x 10, in the order of KINDS."""
        return self.from_frozen(*self.frozen(image))

    def frozen(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the frozen blocks make of a picture: maps N x 80 x S/16 x S/16, and features N x 40."""
        maps = self.trunk.frozen_maps(image / 127.5 - 1)
        return maps[-1], maps[FROZEN_TAP].mean((2, 3))

    def from_frozen(self, maps: Tensor, features: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.head(self.drop(self.standardized(self.features(maps, features))))
        return logits

    def features(self, maps: Tensor, features: Tensor) -> Tensor:
        """Return N x F, not standardized."""
        trained = self.trunk.trained_maps(maps)
        taps = [trained[tap - FROZEN_BLOCKS].mean((2, 3)) for tap in TAPS if tap >= FROZEN_BLOCKS]
        return torch.cat([features, *taps], 1)

    def standardized(self, features: Tensor) -> Tensor:
        """Return each feature less its mean over training views, in units of its standard deviation there."""
        return (features - self.feature_mean) * self.feature_scale

    @torch.no_grad()
    def standardize_by(self, features: Tensor) -> None:
        """Set mean and scale from the features of training views."""
        self.feature_mean.copy_(features.mean(0))
        self.feature_scale.copy_(1 / (features.std(0) + 0.05))


def partial_label_loss(logits: Tensor, possible: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy where a label may allow several kinds: their probabilities add up. possible: N x 10, 0 or 1."""
    log_p = torch.log_softmax(logits, 1)
    allowed = torch.logsumexp(log_p.masked_fill(possible == 0, -1e9), 1)
    return -((1 - smoothing) * allowed + smoothing * log_p.mean(1)).mean()


def kind_names(indices: Sequence[int]) -> list[str]:
    """Return the names of outputs."""
    return [KINDS[i] for i in indices]
