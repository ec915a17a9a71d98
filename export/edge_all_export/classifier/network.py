"""The blast classifier of this project: texture of a cell, whatever its stain, at four depths of a small trunk."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edge_all_export.classifier.inverted_residual import LITE0_BLOCKS, LiteTrunk

TAPS = (2, 4, 7)
"""Blocks of the trunk whose maps are looked at; what comes after them knows objects, not textures."""
TEXTURED_TAPS = (2, 4, 7, 10)
_DARK, _SOFT = 185.0, 30.0
"""Level of the darkest channel under which a pixel counts for the stain's statistics, and how gradually: nuclei and
dark cytoplasm do, erythrocytes and the surroundings do not."""


class BlastNet(nn.Module):
    """Input float N x 3 x S x S, 0..255. Returns logits N x 2: blast against normal, unfamiliar against leukocyte.

    The colours are standardised within each cell's own dark pixels, so that stain, camera and light are taken out
    before anything is learnt. The trunk is the beginning of EfficientNet-Lite0 (Tan and Le 2019), with ImageNet
    weights where ``pretrained``. The means of its maps at some depths feed one linear layer, beside the means over the
    dark pixels alone: what the nucleus looks like, however large it is and whatever lies around it. With ``textured``
    the maps' standard deviations stand in place of the latter; they tell a texture but also the sharpness of a camera,
    and help only where all cells come from one bench. The textured network looks at a cell in several ways, turned and
    mirrored (``views``, of the eight of turned_and_mirrored), and takes the mean of the features; while it is trained,
    in one.
    """

    feature_mean: Tensor
    feature_scale: Tensor

    def __init__(
        self,
        pretrained: bool = True,
        dropout: float = 0.3,
        textured: bool = False,
        taps: Sequence[int] = (),
        views: Sequence[int] = range(8),
    ) -> None:
        """taps: blocks of the trunk whose maps are looked at; none: TAPS, textured TEXTURED_TAPS."""
        super().__init__()
        self.keeps_statistics = pretrained
        self.textured = textured
        self.taps = tuple(taps) or (TEXTURED_TAPS if textured else TAPS)
        self.views = tuple(views)
        self.trunk = LiteTrunk(max(self.taps) + 1, pretrained)
        self.drop = nn.Dropout(dropout)
        count = 2 * sum(LITE0_BLOCKS[tap][4] for tap in self.taps)
        self.register_buffer("feature_mean", torch.zeros(count))
        self.register_buffer("feature_scale", torch.ones(count))
        self.head = nn.Linear(count, 2)

    def forward(self, image: Tensor) -> Tensor:
        if self.training or not self.textured:
            return self.logits(self.normalised(self.features(image)))
        return self.logits(self.normalised(self.viewed_features(image)))

    def viewed_features(self, image: Tensor) -> Tensor:
        """N x F, the mean over the views, not normalised."""
        ways = turned_and_mirrored(image)
        features = self.features(torch.cat([ways[v] for v in self.views]))
        return features.reshape(len(self.views), -1, features.shape[1]).mean(0)

    def normalised(self, features: Tensor) -> Tensor:
        """Each feature less its mean over the training views, in units of its standard deviation there."""
        return (features - self.feature_mean) * self.feature_scale

    def logits(self, features: Tensor) -> Tensor:
        """From normalised features."""
        logits: Tensor = self.head(self.drop(features))
        return logits

    def features(self, image: Tensor) -> Tensor:
        """N x F, not normalised."""
        sample, darkness = dark_pixels(image)
        maps = self.trunk(_standardised(image, sample, darkness))
        mean = torch.cat([maps[tap].mean((2, 3)) for tap in self.taps], 1)
        if not self.textured:
            side = (int(image.shape[2]) + 1) // 2
            dark = darkness.reshape(-1, 1, side, side)
            return torch.cat([mean, *(mean_where_dark(maps[tap], dark) for tap in self.taps)], 1)
        square = torch.cat([(maps[tap] * maps[tap]).mean((2, 3)) for tap in self.taps], 1)
        return torch.cat([mean, ((square - mean * mean).clamp(min=0) + 1e-3).sqrt()], 1)


def turned_and_mirrored(image: Tensor) -> list[Tensor]:
    """The eight ways to lay a square picture, N x C x S x S each: a smear has no upper side."""
    views = []
    for turned in (image, image.transpose(2, 3)):
        for axes in ((), (2,), (3,), (2, 3)):
            views.append(turned.flip(axes) if axes else turned)
    return views


def standardised(image: Tensor) -> Tensor:
    """Each channel less its mean over the cell's dark pixels, in units of twice their standard deviation, within -2
    to 2. float N x 3 x H x W, 0..255. Mean and deviation are those of every second pixel of every second row."""
    return _standardised(image, *dark_pixels(image))


def dark_pixels(image: Tensor) -> tuple[Tensor, Tensor]:
    """Every second pixel of every second row, N x 3 x P, and how much each counts as dark, 0 to 1, N x 1 x P. float
    N x 3 x H x W, 0..255."""
    height, width = int(image.shape[2]), int(image.shape[3])
    # As rows of pixels: ONNX Runtime would else carry these steps out with the channels last, ten times slower.
    sample = image[:, :, ::2, ::2].reshape(-1, 3, ((height + 1) // 2) * ((width + 1) // 2))
    return sample, ((_DARK - sample.amin(1, keepdim=True)) * (1.0 / _SOFT)).clamp(0.0, 1.0)


def mean_where_dark(features: Tensor, dark: Tensor) -> Tensor:
    """Mean of each map of N x C x H x W over the dark pixels, N x C. dark: N x 1 x kH x kW, 0 to 1."""
    channels, side = int(features.shape[1]), int(features.shape[2])
    # Sizes are fixed numbers: flatten would leave shape arithmetic in the graph, which FP16 files cannot hold.
    weight = nn.functional.avg_pool2d(dark, int(dark.shape[2]) // side).reshape(-1, side * side, 1)
    weight = weight / (weight.sum(1, keepdim=True) + 0.05)
    return torch.matmul(features.reshape(-1, channels, side * side), weight).reshape(-1, channels)


def _standardised(image: Tensor, sample: Tensor, darkness: Tensor) -> Tensor:
    height, width = int(image.shape[2]), int(image.shape[3])
    weight = darkness / (darkness.sum(2, keepdim=True) + 0.25)
    mean = (sample * weight).sum(2, keepdim=True)
    difference = sample - mean
    # A floor under the spread: an empty picture must not become noise.
    gain = 0.5 / ((difference * difference * weight).sum(2, keepdim=True) + 4.0).sqrt()
    flat = image.reshape(-1, 3, height * width)
    return (flat * gain - mean * gain).clamp(-2.0, 2.0).reshape(-1, 3, height, width)


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
