"""The blast classifier of this project: texture of a cell, whatever its stain, at four depths of a small trunk."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edge_all_export.classifier.inverted_residual import LITE0_BLOCKS, LiteTrunk

DEPTH = 11
"""Blocks of the trunk; the rest of EfficientNet-Lite0 knows objects, not textures."""
TAPS = (2, 4, 7, 10)
"""Blocks whose statistics the answers are made from."""
_DARK, _SOFT = 185.0, 30.0
"""Level of the darkest channel under which a pixel counts for the stain's statistics, and how gradually: nuclei and
dark cytoplasm do, erythrocytes and the surroundings do not."""


class BlastNet(nn.Module):
    """Input float N x 3 x S x S, 0..255. Returns logits N x 2: blast against normal, unfamiliar against leukocyte.

    The colours are standardised within each cell's own dark pixels, so that stain, camera and light are taken out
    before anything is learnt. The trunk is the first eleven blocks of EfficientNet-Lite0 (Tan and Le 2019), with
    ImageNet weights where ``pretrained``; mean and standard deviation of its maps at four depths (a texture's
    statistics) feed one linear layer.
    """

    def __init__(self, pretrained: bool = True, dropout: float = 0.3) -> None:
        super().__init__()
        self.keeps_statistics = pretrained
        self.trunk = LiteTrunk(DEPTH, pretrained)
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(sum(2 * LITE0_BLOCKS[tap][4] for tap in TAPS), 2)

    def forward(self, image: Tensor) -> Tensor:
        maps = self.trunk(standardised(image))
        features = []
        for tap in TAPS:
            x = maps[tap]
            mean = x.mean((2, 3), keepdim=True)
            difference = x - mean
            features += [mean.flatten(1), ((difference * difference).mean((2, 3)) + 1e-3).sqrt()]
        logits: Tensor = self.head(self.drop(torch.cat(features, 1)))
        return logits


def standardised(image: Tensor) -> Tensor:
    """Each channel less its mean over the cell's dark pixels, in units of twice their standard deviation, within -2
    to 2. float N x 3 x H x W, 0..255. Mean and deviation are those of every second pixel of every second row."""
    sample = image[:, :, ::2, ::2]
    weight = ((_DARK - sample.amin(1, keepdim=True)) * (1.0 / _SOFT)).clamp(0.0, 1.0)
    weight = weight / (weight.sum((2, 3), keepdim=True) + 0.25)
    mean = (sample * weight).sum((2, 3), keepdim=True)
    difference = sample - mean
    # A floor under the spread: an empty picture must not become noise.
    gain = 0.5 / ((difference * difference * weight).sum((2, 3), keepdim=True) + 4.0).sqrt()
    return (image * gain - mean * gain).clamp(-2.0, 2.0)


class DeployedBlastNet(nn.Module):
    """What the device runs: uint8 N x S x S x 3 in; blast probability and unfamiliarity out, each N.

    ``scale`` and ``shift`` calibrate the blast logit (Platt 1999), fitted on out-of-fold cells.
    """

    def __init__(self, network: nn.Module, scale: float, shift: float) -> None:
        super().__init__()
        self.network = network
        self.scale = scale
        self.shift = shift

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.network(image.to(torch.float32).permute(0, 3, 1, 2))
        return torch.sigmoid(logits[:, 0] * self.scale + self.shift), torch.sigmoid(logits[:, 1])
