"""Networks of torchvision, the baselines of the comparison."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from edge_all_export.models.classifier.family import ClassifierFamily


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
        _LIBRARIES.append(library)
        import torchvision
    get_model: Callable[..., nn.Module] = torchvision.models.get_model
    return get_model


_LIBRARIES: list[object] = []
"""Keeps the libraries alive, because their declarations end with them."""

ALEXNET = ClassifierFamily("alexnet", "Krizhevsky 2014", _torchvision("alexnet"))
VGG16 = ClassifierFamily("vgg16", "Simonyan and Zisserman 2014", _torchvision("vgg16_bn"))
RESNET50 = ClassifierFamily("resnet50", "He et al. 2015", _torchvision("resnet50"))
INCEPTION_V3 = ClassifierFamily(
    "inception-v3", "Szegedy et al. 2015", _torchvision("inception_v3", aux_logits=False, init_weights=True)
)
DENSENET121 = ClassifierFamily("densenet121", "Huang et al. 2016", _torchvision("densenet121"))
MOBILENET_V2 = ClassifierFamily("mobilenet-v2", "Sandler et al. 2018", _torchvision("mobilenet_v2"))
