"""The blast classifier of this project: a cell's texture, independent of its stain, at several depths of a trunk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from edge_all_export.models.checkpoint import Checkpoint
from edge_all_export.models.classifier.family import ClassifierFamily, DeployedClassifier
from edge_all_export.models.classifier.features import FeatureNetwork
from edge_all_export.models.classifier.inverted_residual import LITE0_BLOCKS, LiteTrunk
from edge_all_export.models.contracts import decision_of

TAPS = (2, 4, 7)
"""Blocks of the trunk whose maps are used; later blocks represent objects, not textures."""
TEXTURED_TAPS = (2, 4, 7, 10)
_DARK, _SOFT = 185.0, 30.0
"""Level of the darkest channel under which a pixel counts for the stain statistics, and the width of the transition.

Nuclei and dark cytoplasm count; erythrocytes and the surroundings do not."""
_LEAST_DARK = 0.05
"""Minimum number of dark pixels of a map; with fewer, their mean approaches zero."""


class BlastNet(FeatureNetwork):
    """Blast classifier. Input float N x 3 x S x S, 0..255; output logits N x 2.

    The logits are blast against normal, and unfamiliar against leukocyte. The colors are standardized within each
    cell's own dark pixels, so that stain, camera and light are removed before anything is learned. The trunk is the
    first part of EfficientNet-Lite0 (Tan and Le 2019), with ImageNet weights if ``pretrained``. The means of its maps
    at some depths feed one linear layer, together with the means over the dark pixels alone, which describe the
    nucleus independently of its size and surroundings. With ``textured``, the maps' standard deviations replace the
    latter. They describe texture but also the sharpness of a camera, and help only if all cells come from one bench.
    The textured network averages the features of several orientations of a cell, rotated and mirrored (``views``, of
    the eight of turned_and_mirrored); in training, it uses one.
    """

    def __init__(
        self,
        pretrained: bool = True,
        dropout: float = 0.3,
        textured: bool = False,
        taps: Sequence[int] = (),
        views: Sequence[int] = range(8),
    ) -> None:
        """Create the network. taps: blocks whose maps are used; empty: TAPS, or TEXTURED_TAPS if textured."""
        super().__init__()
        self.keeps_statistics = pretrained
        self.textured = textured
        self.traced_features = not textured
        self.taps = tuple(taps) or (TEXTURED_TAPS if textured else TAPS)
        self.views = tuple(views)
        self.trunk = LiteTrunk(max(self.taps) + 1, pretrained)
        self.drop = nn.Dropout(dropout)
        count = 2 * sum(LITE0_BLOCKS[tap][4] for tap in self.taps)
        self.register_buffer("feature_mean", torch.zeros(count))
        self.register_buffer("feature_scale", torch.ones(count))
        self.head = nn.Linear(count, 2)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits, N x 2."""
        return self.logits(self.normalized(self.seen_features(image)))

    def seen_features(self, image: Tensor) -> Tensor:
        """Return unnormalized features, N x F, of the picture as it is or averaged over its views."""
        return self.features(image) if self.training or not self.textured else self.viewed_features(image)

    def viewed_features(self, image: Tensor) -> Tensor:
        """Return unnormalized features, N x F, averaged over the views."""
        ways = turned_and_mirrored(image)
        features = self.features(torch.cat([ways[v] for v in self.views]))
        return features.reshape(len(self.views), -1, features.shape[1]).mean(0)

    def trunk_input(self, image: Tensor) -> Tensor:
        """Return the standardized picture."""
        return standardized(image)

    def logits(self, features: Tensor) -> Tensor:
        """Return the logits of normalized features."""
        logits: Tensor = self.head(self.drop(features))
        return logits

    def features(self, image: Tensor) -> Tensor:
        """Return unnormalized features, N x F."""
        sample, darkness, total = dark_pixels(image)
        maps = self.trunk(_standardized(image, sample, darkness, total))
        looked_at = [maps[tap] for tap in self.taps]
        if not self.textured:
            side = (int(image.shape[2]) + 1) // 2
            return means_and_dark_means(looked_at, darkness.reshape(-1, 1, side, side), total)
        mean = torch.cat([m.mean((2, 3)) for m in looked_at], 1)
        square = torch.cat([(m * m).mean((2, 3)) for m in looked_at], 1)
        return torch.cat([mean, ((square - mean * mean).clamp(min=0) + 1e-3).sqrt()], 1)


def turned_and_mirrored(image: Tensor) -> list[Tensor]:
    """Return the eight orientations of a square picture, N x C x S x S each; a smear has no preferred one."""
    views = []
    for turned in (image, image.transpose(2, 3)):
        for axes in ((), (2,), (3,), (2, 3)):
            views.append(turned.flip(axes) if axes else turned)
    return views


def standardized(image: Tensor) -> Tensor:
    """Standardize each channel by the mean and twice the standard deviation of the cell's dark pixels.

    image: float N x 3 x H x W, 0..255. The result is clamped to -2..2. Mean and deviation are those of every second
    pixel of every second row.
    """
    return _standardized(image, *dark_pixels(image))


def dark_pixels(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sample every second pixel of every second row of a float image, N x 3 x H x W, 0..255.

    Returns the samples, N x 3 x P; how much each counts as dark, 0 to 1, N x 1 x P; and the sum of that, N x 1 x 1.
    """
    # A pool of one pixel, on rows of pixels. Strided slices take ONNX Runtime ten times as long, and so do operations
    # with the channels last.
    every_second = nn.functional.max_pool2d(image, 1, 2)
    sample = every_second.reshape(-1, 3, int(every_second.shape[2]) * int(every_second.shape[3]))
    red, green, blue = sample.split(1, 1)
    darkest = torch.minimum(torch.minimum(red, green), blue)
    darkness = ((_DARK - darkest) * (1.0 / _SOFT)).clamp(0.0, 1.0)
    return sample, darkness, darkness.sum(2, keepdim=True)


def means_and_dark_means(maps: Sequence[Tensor], dark: Tensor, total: Tensor) -> Tensor:
    """Return the means of all maps, then their means over the dark pixels: N x 2F, with F the sum of all C.

    maps: N x C x h x w each. dark: N x 1 x H x W, 0 to 1; total: its sum, N x 1 x 1. The first map has the size of
    dark or an integer fraction of it, and each further map the size of the one before it or an integer fraction.
    """
    # A plane of ones next to it, made by clamping, because any other method leaves shape arithmetic in the graph.
    weight = torch.cat([dark.clamp(1.0, 1.0), dark], 1)
    sums, ones, shares = [], [], []
    for one in maps:
        channels, height, width = (int(n) for n in one.shape[1:])
        step = int(weight.shape[2]) // height
        if step > 1:
            weight = nn.functional.avg_pool2d(weight, step)
        # The channels last, as INT8 maps are laid out in memory; one product for both sums.
        rows = one.permute(0, 2, 3, 1).reshape(-1, height * width, channels)
        sums.append(torch.matmul(weight.reshape(-1, 2, height * width), rows))
        share = height * width / (int(dark.shape[2]) * int(dark.shape[3]))
        shares += [share] * channels
        ones += [float(height * width)] * channels
    # What the weights of a depth sum up to follows from the sum over all pixels.
    share_of_total = torch.tensor([[[0.0] * len(ones), shares]], dtype=dark.dtype, device=dark.device)
    at_least = torch.tensor([[ones, [_LEAST_DARK] * len(ones)]], dtype=dark.dtype, device=dark.device)
    return (torch.cat(sums, 2) / (total * share_of_total + at_least)).reshape(-1, 2 * len(ones))


def _standardized(image: Tensor, sample: Tensor, darkness: Tensor, total: Tensor) -> Tensor:
    height, width = int(image.shape[2]), int(image.shape[3])
    weight = darkness.reshape(-1, int(darkness.shape[2]), 1)
    total = total + 0.25
    mean = torch.matmul(sample, weight) / total
    difference = sample - mean
    # A lower limit for the spread, so that an empty picture does not become noise.
    gain = 0.5 / (torch.matmul(difference * difference, weight) / total + 4.0).sqrt()
    flat = image.reshape(-1, 3, height * width)
    return ((flat - mean) * gain).clamp(-2.0, 2.0).reshape(-1, 3, height, width)


class DeployedBlastNet(DeployedClassifier):
    """BlastNet as deployed, with feature scaling and calibration folded into its last layer."""

    def __init__(self, network: BlastNet, scale: float, shift: float) -> None:
        super().__init__(network, scale, shift)
        self.last = _last_layer(network, scale, shift)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return blast probability and unfamiliarity, each N."""
        network = cast("BlastNet", self.network)
        pixels = image.to(torch.float32).permute(0, 3, 1, 2)
        both = torch.sigmoid(self.last(network.seen_features(pixels) - network.feature_mean))
        return both[:, 0], both[:, 1]


def _last_layer(network: BlastNet, scale: float, shift: float) -> nn.Linear:
    """Return the network's last layer with feature scaling and calibration folded in.

    At one cell per call, the overhead of an operation matters.
    """
    last = nn.Linear(network.head.in_features, 2)
    stretch = torch.tensor([scale, 1.0])
    with torch.no_grad():
        last.weight.copy_(network.head.weight * network.feature_scale * stretch[:, None])
        last.bias.copy_(network.head.bias * stretch + torch.tensor([shift, 0.0]))
    return last


class BlastNetFamily(ClassifierFamily):
    """BlastNet, whose last layer is solved before the training."""

    def probed_part(self, network: nn.Module) -> FeatureNetwork:
        """Return the network itself."""
        return cast("BlastNet", network)

    def deployed(self, network: nn.Module, checkpoint: Checkpoint) -> nn.Module:
        """Wrap the network for deployment, with its calibration folded in."""
        decision = decision_of(checkpoint)
        return DeployedBlastNet(cast("BlastNet", network), decision.scale, decision.shift)


BLAST_NET = BlastNetFamily("blast-net", "this project", lambda p, d: BlastNet(p, d), imagenet=True, proposed=True)
BLAST_NET_TEXTURED = BlastNetFamily(
    "blast-net-textured",
    "this project",
    lambda p, d: BlastNet(p, d, textured=True),
    imagenet=True,
    is_candidate=False,
)
"""Variant for cells cut out of their surroundings, all from one bench."""
