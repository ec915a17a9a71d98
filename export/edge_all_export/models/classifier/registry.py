"""Registry of classifiers for training and comparison: float N x 3 x S x S, 0..255 -> logits N x 2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edge_all.errors import UsageError
from edge_all_export.data.crop_form import COARSE, FINE, CropForm
from edge_all_export.models.classifier.inverted_residual import LITE0_BLOCKS, LiteTrunk, imagenet_lite0
from edge_all_export.models.classifier.network import BlastNet
from edge_all_export.models.classifier.pair import BlastPair

OURS = "blast-net"
OURS_TEXTURED = "blast-net-textured"
"""Variant for cells cut out of their surroundings, all from one bench."""
OURS_PAIRED = "blast-pair"
"""OURS_TEXTURED combined with a second network for finer crops."""


@dataclass(frozen=True)
class Architecture:
    """A network architecture. imagenet: whether ImageNet weights are available offline. build(pretrained, dropout)."""

    name: str
    source: str
    imagenet: bool
    build: Callable[[bool, float], nn.Module]
    form: CropForm = COARSE


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


class _Normalized(nn.Module):
    """A torchvision network after ImageNet normalization, with two output logits."""

    mean: Tensor
    spread: Tensor

    def __init__(self, network: nn.Module, side: int = 0) -> None:
        super().__init__()
        self.network = network
        self.side = side
        self.register_buffer("mean", torch.tensor([123.675, 116.28, 103.53]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("spread", torch.tensor([58.395, 57.12, 57.375]).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        x = (image - self.mean) / self.spread
        if self.side:
            x = nn.functional.interpolate(x, size=(self.side, self.side), mode="bilinear", align_corners=False)
        logits: Tensor = self.network(x)
        return logits


def _torchvision(name: str, side: int = 0, **options: object) -> Callable[[bool, float], nn.Module]:
    def build(pretrained: bool, dropout: float) -> nn.Module:  # noqa: ARG001
        network = _models()(name, weights=None, num_classes=2, **options)
        if name in _POOLED_TO:
            network.avgpool = _PooledTo(_POOLED_TO[name])
        return _Normalized(network, side)

    return build


_POOLED_TO = {"alexnet": 6, "vgg16_bn": 7}
"""Side of the maps that the first dense layer takes, by network."""


class _PooledTo(nn.Module):
    """nn.AdaptiveAvgPool2d of square maps as two products with fixed matrices.

    ONNX has no other way to enlarge small maps like this.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        shares = nn.functional.adaptive_avg_pool1d(torch.eye(int(x.shape[3])), self.side).to(x)
        return shares.T @ x @ shares


def _models() -> Callable[..., nn.Module]:
    """Return torchvision's get_model, even if its compiled part does not match this build of PyTorch."""
    from edge_all.errors import EdgeAllError

    try:
        import torchvision
    except ImportError as error:
        raise EdgeAllError(
            "torchvision, which provides the baseline networks, is not installed",
            "pip install --no-deps torchvision==0.28.0",
        ) from error
    except RuntimeError:
        # Its Python part registers shapes for two operators of the compiled part. They are not used, so declare them.
        library = torch.library.Library("torchvision", "DEF")
        boxes = "Tensor dets, Tensor scores, float iou_threshold"
        library.define(f"nms({boxes}) -> Tensor")
        library.define(f"qnms({boxes}) -> Tensor")
        _KEPT.append(library)
        import torchvision
    get_model: Callable[..., nn.Module] = torchvision.models.get_model
    return get_model


_KEPT: list[object] = []
"""Keeps the libraries alive, because their declarations end with them."""

ARCHITECTURES = {
    a.name: a
    for a in (
        Architecture(OURS, "this project", True, lambda p, d: BlastNet(p, d)),
        Architecture(OURS_TEXTURED, "this project", True, lambda p, d: BlastNet(p, d, textured=True)),
        Architecture(OURS_PAIRED, "this project", True, BlastPair, FINE),
        Architecture("jetson-nano-cnn", "the Jetson Nano ALL classifier", False, JetsonNanoCnn),
        Architecture("alexnet", "Krizhevsky 2014", False, _torchvision("alexnet")),
        Architecture("vgg16", "Simonyan and Zisserman 2014", False, _torchvision("vgg16_bn")),
        Architecture("resnet50", "He et al. 2015", False, _torchvision("resnet50")),
        Architecture(
            "inception-v3", "Szegedy et al. 2015", False,
            _torchvision("inception_v3", aux_logits=False, init_weights=True),
        ),
        Architecture("densenet121", "Huang et al. 2016", False, _torchvision("densenet121")),
        Architecture("mobilenet-v2", "Sandler et al. 2018", False, _torchvision("mobilenet_v2")),
        Architecture("efficientnet-lite0", "Tan and Le 2019", True, Lite0),
    )
}  # fmt: skip


def form_of(name: str) -> CropForm:
    """Return the form of a network's crops; COARSE for an unknown name."""
    return ARCHITECTURES[name].form if name in ARCHITECTURES else COARSE


def build_network(name: str, pretrained: bool, dropout: float = 0.3) -> nn.Module:
    """Build a classifier by name.

    Raises UsageError for an unknown name, or when ImageNet weights are not available offline.
    """
    architecture = ARCHITECTURES.get(name)
    if architecture is None:
        raise UsageError(f"unknown network '{name}'", f"choose one of {', '.join(ARCHITECTURES)}")
    if pretrained and not architecture.imagenet:
        raise UsageError(f"ImageNet weights of {name} are not available offline", "set pretrained = false")
    return architecture.build(pretrained, dropout)
