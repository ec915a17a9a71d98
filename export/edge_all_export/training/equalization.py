"""Equalization of a trunk's channel ranges, so that eight bits for all channels are enough for each one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edge_all_export.models.classifier.inverted_residual import InvertedResidual, LiteTrunk

_CLIP = 6.0
_HEADROOM = 1.25
"""Clipping point of a channel relative to the largest value seen; values above it are lost."""
_LARGEST_FACTOR = 16.0


@torch.no_grad()
def equalize(trunk: LiteTrunk, images: Tensor) -> None:
    """Rescale the channels in place (cross-layer equalization, Nagel et al. 2019).

    The trunk's outputs stay the same except for a factor per channel. A layer's outputs are scaled up, and the next
    layer's weights for them scaled down by the same factor. Between a projection and the next expansion, this is exact.
    A channel under ReLU6 is scaled so that the largest value seen, plus a quarter, becomes 6; brighter values are
    clipped earlier than before. images: the trunk's input, float N x 3 x H x W.
    """
    blocks = [b for b in trunk.blocks if isinstance(b, InvertedResidual)]
    peaks = _peaks(trunk, blocks, images)
    _stretch(trunk.stem_norm, blocks[0].depthwise if blocks[0].expand is None else blocks[0].expand, peaks["stem"])
    for i, block in enumerate(blocks):
        if block.expand_norm is not None:
            _stretch(block.expand_norm, block.depthwise, peaks[f"{i} expand"])
        _stretch(block.depthwise_norm, block.project, peaks[f"{i} depthwise"])
    for stream in _streams(blocks):
        peak = torch.stack([peaks[f"{i} output"] for i in stream]).amax(0).clamp(min=1e-3)
        for i in stream:
            _scale_outputs(blocks[i].project_norm, 1 / peak)
            if i + 1 < len(blocks):
                following = blocks[i + 1]
                _scale_inputs(following.depthwise if following.expand is None else following.expand, peak)


def _streams(blocks: list[InvertedResidual]) -> list[list[int]]:
    """Return the blocks whose outputs are added, and which therefore share their factors."""
    streams: list[list[int]] = []
    for i, block in enumerate(blocks):
        if block.shortcut:
            streams[-1].append(i)
        else:
            streams.append([i])
    return streams


def _peaks(trunk: LiteTrunk, blocks: list[InvertedResidual], images: Tensor) -> dict[str, Tensor]:
    """Return the largest value of each channel before ReLU6, and the largest absolute value of each block output."""
    peaks: dict[str, Tensor] = {}

    def watch(name: str) -> object:
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            peaks[name] = output.abs().amax((0, 2, 3)) if name.endswith("output") else output.amax((0, 2, 3))

        return hook

    named: list[tuple[nn.Module, str]] = [(trunk.stem_norm, "stem")]
    for i, block in enumerate(blocks):
        if block.expand_norm is not None:
            named.append((block.expand_norm, f"{i} expand"))
        named += [(block.depthwise_norm, f"{i} depthwise"), (block, f"{i} output")]
    handles = [module.register_forward_hook(watch(name)) for module, name in named]  # type: ignore[arg-type]
    was_training = trunk.training
    trunk.eval()
    trunk(images)
    trunk.train(was_training)
    for handle in handles:
        handle.remove()
    return peaks


def _stretch(norm: nn.BatchNorm2d, following: nn.Conv2d, peak: Tensor) -> None:
    factor = (_CLIP / (_HEADROOM * peak.clamp(min=1e-3))).clamp(1.0, _LARGEST_FACTOR)
    _scale_outputs(norm, factor)
    _scale_inputs(following, 1 / factor)


def _scale_outputs(norm: nn.BatchNorm2d, factor: Tensor) -> None:
    norm.weight.mul_(factor)
    norm.bias.mul_(factor)


def _scale_inputs(convolution: nn.Conv2d, factor: Tensor) -> None:
    depthwise = convolution.groups > 1
    convolution.weight.mul_(factor.reshape(-1, 1, 1, 1) if depthwise else factor.reshape(1, -1, 1, 1))
