"""The leukocyte detector: a small U-shaped fully convolutional network with heatmaps of centers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from edge_all.inference.contract import Contract
from edge_all_export.data.detector_samples import UM_PER_PX
from edge_all_export.models.checkpoint import Checkpoint
from edge_all_export.models.contracts import provenance, sources_of


def _block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Build a depthwise-separable convolution (MobileNet: Howard et al. 2017) with batch norm and ReLU6."""
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        nn.ReLU6(inplace=True),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(inplace=True),
    )


class LeukocyteNet(nn.Module):
    """Leukocyte detector. Input float N x 3 x H x W in 0..255 (sides multiples of 16); stride 4.

    Output logits N x 3 x H/4 x W/4: center of a leukocyte, center of a smudge, ln(radius / 6 um).
    """

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        w = width
        self.stem = nn.Sequential(nn.Conv2d(3, w, 3, 2, 1, bias=False), nn.BatchNorm2d(w), nn.ReLU6(inplace=True))
        self.down4 = nn.Sequential(_block(w, 2 * w, 2), _block(2 * w, 2 * w))
        self.down8 = nn.Sequential(_block(2 * w, 3 * w, 2), _block(3 * w, 3 * w))
        self.down16 = nn.Sequential(_block(3 * w, 4 * w, 2), _block(4 * w, 4 * w), _block(4 * w, 4 * w))
        self.up8 = nn.Conv2d(4 * w, 3 * w, 1)
        self.mix8 = _block(3 * w, 3 * w)
        self.up4 = nn.Conv2d(3 * w, 2 * w, 1)
        self.mix4 = nn.Sequential(_block(2 * w, 2 * w), _block(2 * w, 2 * w))
        self.head = nn.Conv2d(2 * w, 3, 1)
        assert self.head.bias is not None
        nn.init.constant_(self.head.bias[:2], -4.0)  # centers are rare: start with a small probability

    def forward(self, image: Tensor) -> Tensor:
        """Return the maps, N x 3 x H/4 x W/4."""
        x = image / 127.5 - 1.0
        a = self.down4(self.stem(x))
        b = self.down8(a)
        c = self.down16(b)
        b = self.mix8(b + nn.functional.interpolate(self.up8(c), scale_factor=2.0, mode="nearest"))
        a = self.mix4(a + nn.functional.interpolate(self.up4(b), scale_factor=2.0, mode="nearest"))
        maps: Tensor = self.head(a)
        return maps


class DeployedLeukocyteNet(nn.Module):
    """Detector as deployed: uint8 N x H x W x 3 in, probabilities and ln(radius / 6 um) out."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities, N x 2 x H/4 x W/4, and ln(radius / 6 um), N x 1 x H/4 x W/4."""
        # Cast first, because TensorRT does not support a transpose of uint8.
        maps = self.network(image.to(torch.float32).permute(0, 3, 1, 2))
        return torch.sigmoid(maps[:, :2]), maps[:, 2:]


def loss_of(maps: Tensor, heat: Tensor, log_radius: Tensor, weight: Tensor) -> Tensor:
    """Return the penalty-reduced focal loss of the centers (Law and Deng 2018) plus half the L1 loss of the radius.

    The focal loss uses alpha 2 and beta 4.
    """
    logits = maps[:, :2]
    p = torch.sigmoid(logits)
    peak = (heat > 0.99).float()
    w = weight[:, None]
    positive = nn.functional.logsigmoid(logits) * (1 - p) ** 2 * peak * w
    negative = nn.functional.logsigmoid(-logits) * p**2 * (1 - heat) ** 4 * (1 - peak) * w
    count = peak.sum().clamp(min=1)
    near = (log_radius != 0).float() * weight
    radius = ((maps[:, 2] - log_radius).abs() * near).sum() / near.sum().clamp(min=1)
    return -(positive.sum() + negative.sum()) / count + 0.5 * radius


@dataclass(frozen=True)
class DetectorFamily:
    """LeukocyteNet as a family; see ModelFamily."""

    name: str = "leukocyte-net"
    task: str = "detector"
    float_beginning: Mapping[str, int] = field(default_factory=dict)
    free_axes: Sequence[int] = (0, 1, 2)

    def build(self, pretrained: bool, dropout: float = 0.3) -> nn.Module:  # noqa: ARG002
        """Build the network. It has no ImageNet weights and no dropout."""
        return LeukocyteNet()

    def loss(self, network: nn.Module, batch: Sequence[Tensor], smoothing: float) -> Tensor:  # noqa: ARG002
        """Return the loss of a batch drawn by SampleMaker."""
        image, heat, log_radius, weight = batch
        return loss_of(network(image.permute(0, 3, 1, 2).float()).float(), heat, log_radius, weight)

    def stored_weights(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return all weights."""
        return dict(weights)

    def complete_weights(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the weights as they are."""
        return dict(weights)

    def deployed(self, network: nn.Module, checkpoint: Checkpoint) -> nn.Module:  # noqa: ARG002
        """Wrap the network for deployment."""
        return DeployedLeukocyteNet(network)

    def contract(self, checkpoint: Checkpoint) -> Contract:
        """Build the contract of a checkpoint."""
        return Contract(
            task=self.task,
            name=self.name,
            version=str(checkpoint.recipe["version"]),
            um_per_px=UM_PER_PX,
            input_px=0,
            outputs=("heat", "log_radius"),
            thresholds={"found": checkpoint.recipe["found"]},
            training_data=sources_of(checkpoint),
            unseen_groups=checkpoint.unseen_groups,
            extra=provenance(checkpoint),
        )


LEUKOCYTE_NET = DetectorFamily()
