"""A trunk's features through ONNX Runtime."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

import onnx
import torch
from torch import nn

if TYPE_CHECKING:
    from edge_all_export.models.classifier.network import BlastNet
from edge_all_export.models.onnx_session import OPSET, session_of


def session_of_features(network: BlastNet) -> Any:
    """Create an ONNX Runtime session for network.features: "image", float N x 3 x S x S, 0..255 -> N x F."""
    from edge_all_export.data.crop_form import COARSE

    class _Features(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.network.features(image)

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Features().eval(),
            (torch.zeros(2, 3, COARSE.side, COARSE.side),),
            buffer,
            input_names=["image"],
            output_names=["features"],
            dynamic_axes={"image": {0: "batch"}, "features": {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,
        )
    return session_of(onnx.load_from_string(buffer.getvalue()))
