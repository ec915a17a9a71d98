"""The network of the Jetson Nano ALL classifier, a baseline of the comparison."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edge_all_export.models.classifier.family import ClassifierFamily


class JetsonNanoCnn(nn.Module):
    """The 46,652-parameter network of the Jetson Nano ALL classifier.

    100 x 100 input, average pool, 30 convolutions of 5 x 5, a depthwise convolution of 30 x 30, flatten, dense 2.
    """

    def __init__(self, pretrained: bool, dropout: float) -> None:  # noqa: ARG002
        super().__init__()
        self.convolution = nn.Conv2d(3, 30, 5)
        self.depthwise = nn.Conv2d(30, 30, 30, groups=30)
        self.head = nn.Linear(30 * 17 * 17, 2)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits, N x 2."""
        x = nn.functional.interpolate(image / 255.0, size=(100, 100), mode="bilinear", align_corners=False)
        x = torch.relu(self.convolution(nn.functional.avg_pool2d(x, 2)))
        logits: Tensor = self.head(self.depthwise(x).flatten(1))
        return logits


JETSON_NANO_CNN = ClassifierFamily("jetson-nano-cnn", "the Jetson Nano ALL classifier", JetsonNanoCnn)
