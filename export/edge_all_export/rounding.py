"""INT8's rounding inside a PyTorch network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_KEPT = 0.95
"""Of the old range, each time a batch is seen (Jacob et al. 2018, exponential moving average)."""


class RoundedConv2d(nn.Conv2d):
    """A convolution whose input and weights are rounded to 8 bits, gradients passing straight through (Jacob et al.
    2018). The weights' scales are per output channel, symmetric; the input's one range is a moving average.

    Rounding before batch norm is folded in is the same as after: its factor is per output channel too.
    """

    low: float
    high: float

    def forward(self, x: Tensor) -> Tensor:
        """As Conv2d."""
        if self.training:
            low, high = (float(v) for v in x.detach().aminmax())
            self.low, self.high = _KEPT * self.low + (1 - _KEPT) * low, _KEPT * self.high + (1 - _KEPT) * high
        low, high = min(self.low, 0.0), max(self.high, 1e-6)
        scale = (high - low) / 255
        zero = round(-low / scale)
        x = torch.fake_quantize_per_tensor_affine(x, scale, zero, 0, 255)
        return self._conv_forward(x, rounded_weight(self.weight), self.bias)


def rounded_weight(weight: Tensor) -> Tensor:
    """Of a convolution, to 8 bits per output channel, symmetric. What is rounded already does not change again."""
    scales = (weight.detach().abs().amax((1, 2, 3)) / 127).clamp(min=1e-8)
    zeros = torch.zeros(len(scales), dtype=torch.int32, device=scales.device)
    return torch.fake_quantize_per_channel_affine(weight, scales, zeros, 0, -127, 127)


def rounded(network: nn.Module, images: Tensor) -> nn.Module:
    """The same network, in place, its convolutions rounding from now on; names and values of its weights stay.

    images: float N x 3 x H x W, 0..255, to begin the ranges with.
    """
    ranges: dict[nn.Conv2d, tuple[float, float]] = {}

    def watch(module: nn.Conv2d, inputs: tuple[Tensor, ...]) -> None:
        low, high = inputs[0].aminmax()
        ranges[module] = (float(low), float(high))

    handles = [m.register_forward_pre_hook(watch) for m in network.modules() if isinstance(m, nn.Conv2d)]
    network.eval()
    with torch.no_grad():
        network(images)
    for handle in handles:
        handle.remove()
    for module, (low, high) in ranges.items():
        module.__class__ = RoundedConv2d
        module.low, module.high = low, high  # type: ignore[assignment]
    return network
