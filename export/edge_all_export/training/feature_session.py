"""A trunk's features through ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from edge_all_export.data.crop_form import COARSE
from edge_all_export.models.onnx_session import onnx_of, session_of

if TYPE_CHECKING:
    from edge_all_export.models.classifier.features import FeatureNetwork


def session_of_features(network: FeatureNetwork, side: int = COARSE.side) -> Any:
    """Create an ONNX Runtime session for network.features: "image", float N x 3 x S x S, 0..255 -> N x F."""

    class _Features(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.network.features(image)

    example = torch.zeros(2, 3, side, side)
    batch = {0: "batch"}
    return session_of(onnx_of(_Features(), example, ["features"], {"image": batch, "features": batch}))
