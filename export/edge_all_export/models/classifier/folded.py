"""Trunk of EfficientNet-Lite0 whose batch norm is folded into the convolutions: for training with frozen statistics.

The statistics came with ImageNet's weights and stay: learned ones would describe the cameras of the training set.
Folded, a training step on a CPU takes half the time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from edge_all_export.models.classifier.inverted_residual import InvertedResidual, LiteTrunk
from edge_all_export.models.fake_quant import FakeQuantize

_CLIP = 6.0


class FoldedResidual(nn.Module):
    """InvertedResidual with biases in place of batch norm. N x C x H x W -> N x C' x H/stride x W/stride."""

    def __init__(self, block: InvertedResidual) -> None:
        super().__init__()
        has_expansion = block.expand is not None and block.expand_norm is not None
        self.expand = folded(block.expand, block.expand_norm) if has_expansion else None  # type: ignore[arg-type]
        self.depthwise = folded(block.depthwise, block.depthwise_norm)
        self.project = folded(block.project, block.project_norm)
        self.shortcut = block.shortcut
        self.projected, self.added = FakeQuantize(), FakeQuantize()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        y = x if self.expand is None else clipped(self.expand(x))
        y = self.projected(self.project(clipped(self._depthwise(y))))
        result: Tensor = self.added(x + y) if self.shortcut else y
        return result

    def _depthwise(self, x: Tensor) -> Tensor:
        layer = self.depthwise
        if layer.weight.requires_grad or layer.stride != (1, 1) or not torch.is_grad_enabled():
            result: Tensor = layer(x)
        else:
            result = _FixedDepthwise.apply(x, layer.weight, layer.bias)  # type: ignore[no-untyped-call]
        return result


class FoldedTrunk(nn.Module):
    """Stem and first ``depth`` blocks; ``frozen`` of them, and every depthwise filter, keep ImageNet's weights."""

    def __init__(self, depth: int, frozen: int, pretrained: bool) -> None:
        super().__init__()
        self._take(LiteTrunk(depth, pretrained), frozen)

    @classmethod
    def of(cls, trunk: LiteTrunk, frozen: int) -> FoldedTrunk:
        """Fold a trunk that exists."""
        made = cls.__new__(cls)
        nn.Module.__init__(made)
        made._take(trunk, frozen)
        return made

    def _take(self, trunk: LiteTrunk, frozen: int) -> None:
        self.stem = folded(trunk.stem, trunk.stem_norm)
        self.blocks = nn.ModuleList(FoldedResidual(b) for b in trunk.blocks if isinstance(b, InvertedResidual))
        self.frozen = frozen
        for part in [self.stem, *self.blocks[:frozen]]:
            part.requires_grad_(False)
        for block in self.blocks:
            assert isinstance(block, FoldedResidual)
            block.depthwise.weight.requires_grad_(False)

    def frozen_maps(self, x: Tensor) -> list[Tensor]:
        """Return the outputs of the frozen blocks."""
        x = clipped(self.stem(x))
        maps = []
        for block in self.blocks[: self.frozen]:
            x = block(x)
            maps.append(x)
        return maps

    def trained_maps(self, x: Tensor) -> list[Tensor]:
        """Return the outputs of the other blocks, from the last frozen block's output."""
        maps = []
        for block in self.blocks[self.frozen :]:
            x = block(x)
            maps.append(x)
        return maps


def clipped(x: Tensor) -> Tensor:
    """ReLU6."""
    return nn.functional.relu6(x)


def folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """Return one convolution that does what both do in evaluation mode."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    both = nn.Conv2d(
        convolution.in_channels,
        convolution.out_channels,
        convolution.kernel_size,  # type: ignore[arg-type]
        convolution.stride,  # type: ignore[arg-type]
        convolution.padding,  # type: ignore[arg-type]
        groups=convolution.groups,
    )
    with torch.no_grad():
        both.weight.copy_(convolution.weight * scale.reshape(-1, 1, 1, 1))
        assert both.bias is not None
        both.bias.copy_(norm.bias - norm.running_mean * scale)
    return both


class _FixedDepthwise(torch.autograd.Function):
    """Depthwise convolution of stride 1 with fixed weights.

    The gradient of its input is a convolution with the turned kernel, which takes a CPU a tenth of the time of
    PyTorch's own for kernels of 5 x 5.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        return _depthwise(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, Tensor]:
        (weight,) = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        turned = weight.flip(2, 3).contiguous(memory_format=torch.channels_last)
        return _depthwise(gradient, turned, None), None, gradient.sum((0, 2, 3))


def _depthwise(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return nn.functional.conv2d(x, weight, bias, 1, weight.shape[2] // 2, 1, weight.shape[0])
