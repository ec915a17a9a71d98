"""INT8 rounding inside a PyTorch network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_RANGE_DECAY = 0.95
"""Share of the old range that each batch keeps (Jacob et al. 2018, exponential moving average)."""


class FakeQuantConv2d(nn.Conv2d):
    """A convolution whose input and weights are rounded to 8 bits, with straight-through gradients (Jacob et al. 2018).

    The weights' scales are per output channel, symmetric; the input has one range, a moving average. Rounding before
    batch norm is folded in gives the same result as after it, because its factor is per output channel too.
    """

    low: float
    high: float

    def forward(self, x: Tensor) -> Tensor:
        """Apply the convolution, with the shapes of Conv2d."""
        rounded_weight = fake_quantized_weight(self.weight)
        result: Tensor = self._conv_forward(_rounded_activation(self, x), rounded_weight, self.bias)
        return result


def _rounded_activation(module: FakeQuantConv2d | FakeQuantize, x: Tensor) -> Tensor:
    if module.training:
        low, high = (float(v) for v in x.detach().aminmax())
        module.low = _RANGE_DECAY * module.low + (1 - _RANGE_DECAY) * low
        module.high = _RANGE_DECAY * module.high + (1 - _RANGE_DECAY) * high
    low, high = min(module.low, 0.0), max(module.high, 1e-6)
    scale = (high - low) / 255
    return torch.fake_quantize_per_tensor_affine(x, scale, round(-low / scale), 0, 255)


class FakeQuantize(nn.Module):
    """Rounding of the output of a projection or an addition, where INT8 rounds besides a convolution's input.

    It has no effect until ``rounded`` sets its range.
    """

    low: float
    high: float

    def __init__(self) -> None:
        super().__init__()
        self.is_on = False

    def forward(self, x: Tensor) -> Tensor:
        """Return x, rounded if switched on; the shape stays the same."""
        return _rounded_activation(self, x) if self.is_on else x


def fake_quantized_weight(weight: Tensor) -> Tensor:
    """Round a convolution's weights to 8 bits, symmetric, per output channel; rounding again changes nothing."""
    scales = (weight.detach().abs().amax((1, 2, 3)) / 127).clamp(min=1e-8)
    zeros = torch.zeros(len(scales), dtype=torch.int32, device=scales.device)
    return torch.fake_quantize_per_channel_affine(weight, scales, zeros, 0, -127, 127)


def rounded(network: nn.Module, images: Tensor) -> nn.Module:
    """Make a network round at each convolution and rounding point, in place; weight names and values stay the same.

    images: float N x 3 x H x W, 0..255, for the initial ranges.
    """
    places = [m for m in network.modules() if isinstance(m, (nn.Conv2d, FakeQuantize))]
    ranges: dict[nn.Module, tuple[float, float]] = {}

    def watch(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        low, high = inputs[0].aminmax()
        ranges[module] = (float(low), float(high))

    handles = [m.register_forward_pre_hook(watch) for m in places]
    network.eval()
    with torch.no_grad():
        network(images)
    for handle in handles:
        handle.remove()
    for module, (low, high) in ranges.items():
        if isinstance(module, FakeQuantize):
            module.is_on = True
        else:
            module.__class__ = FakeQuantConv2d
        module.low, module.high = low, high  # type: ignore[assignment]
    return network
