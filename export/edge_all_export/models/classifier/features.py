"""Networks that are one linear layer on a trunk's features, so that the layer can be solved instead of trained."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn

from edge_all_export.models.classifier.inverted_residual import LiteTrunk


class FeatureNetwork(nn.Module):
    """A classifier whose logits are one linear layer on normalized features.

    The features are normalized by ``feature_mean`` and ``feature_scale``, each F.
    """

    trunk: LiteTrunk
    head: nn.Linear
    feature_mean: Tensor
    feature_scale: Tensor
    traced_features: bool
    """True if ONNX Runtime computes the same features faster than PyTorch."""

    @abstractmethod
    def features(self, image: Tensor) -> Tensor:
        """Return unnormalized features, N x F, of a picture, float N x 3 x S x S, 0..255."""

    @abstractmethod
    def viewed_features(self, image: Tensor) -> Tensor:
        """Return unnormalized features, N x F, averaged over the views of a picture."""

    @abstractmethod
    def trunk_input(self, image: Tensor) -> Tensor:
        """Return what the trunk receives of a picture."""

    def normalized(self, features: Tensor) -> Tensor:
        """Subtract each feature's mean over the training views, and divide by its standard deviation there."""
        return (features - self.feature_mean) * self.feature_scale

    @abstractmethod
    def logits(self, features: Tensor) -> Tensor:
        """Return the logits, N x 2, of normalized features."""


@dataclass(frozen=True)
class SolvedPart:
    """Part of a network whose trunk is frozen and whose last layer is solved on the views of all cells."""

    network: FeatureNetwork
    reach: float
    """Limit of a normalized feature, in standard deviations."""
