"""EfficientNet-Lite0, a baseline of the comparison."""

from __future__ import annotations

from torch import Tensor, nn

from edge_all_export.models.classifier.family import ClassifierFamily
from edge_all_export.models.classifier.inverted_residual import LITE0_BLOCKS, LiteTrunk, imagenet_lite0


class Lite0(nn.Module):
    """Complete EfficientNet-Lite0."""

    def __init__(self, pretrained: bool, dropout: float) -> None:
        super().__init__()
        self.keeps_statistics = pretrained
        self.trunk = LiteTrunk(len(LITE0_BLOCKS), pretrained)
        self.last = nn.Conv2d(320, 1280, 1, bias=False)
        self.last_norm = nn.BatchNorm2d(1280, eps=1e-3)
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(1280, 2)
        if pretrained:
            weights = imagenet_lite0()
            self.last.weight.data.copy_(weights["_conv_head.weight"])
            for part in ("weight", "bias", "running_mean", "running_var"):
                getattr(self.last_norm, part).data.copy_(weights[f"_bn1.{part}"])

    def forward(self, image: Tensor) -> Tensor:
        """Return logits, N x 2."""
        x = self.trunk(image / 127.5 - 1.0)[-1]
        x = nn.functional.relu6(self.last_norm(self.last(x))).mean((2, 3))
        logits: Tensor = self.head(self.drop(x))
        return logits


EFFICIENTNET_LITE0 = ClassifierFamily("efficientnet-lite0", "Tan and Le 2019", Lite0, imagenet=True)
