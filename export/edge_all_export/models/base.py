"""Interface of a kind of network to training, export, comparison and release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from torch import Tensor, nn

from edge_all.inference.contract import Contract
from edge_all_export.models.checkpoint import Checkpoint


class ModelFamily(Protocol):
    """A kind of network, from its construction to the file that a device runs.

    A network whose batch norm keeps the statistics of ImageNet has an attribute ``keeps_statistics`` that is true.
    """

    @property
    def name(self) -> str:
        """Name in recipes, checkpoints and contracts."""

    @property
    def task(self) -> str:
        """Task of its files on a device: "classifier" or "detector"."""

    @property
    def float_beginning(self) -> Mapping[str, int]:
        """Number of first convolutions that stay in float, by INT8 precision ("int8-cpu", "int8-trt")."""

    @property
    def free_axes(self) -> Sequence[int]:
        """Axes of the deployed input N x H x W x 3 whose size is free."""

    def build(self, pretrained: bool, dropout: float = 0.3) -> nn.Module:
        """Build the network. Raises UsageError when ImageNet weights are not available offline."""

    def loss(self, network: nn.Module, batch: Sequence[Tensor], smoothing: float) -> Tensor:
        """Return the loss of a batch as the task's sampler draws it."""

    def stored_weights(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the weights that a fold's checkpoint stores, without those that all folds share."""

    def complete_weights(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return all weights of the network from those that a checkpoint stores."""

    def deployed(self, network: nn.Module, checkpoint: Checkpoint) -> nn.Module:
        """Wrap the network for deployment: uint8 N x H x W x 3 in, the contract's outputs out."""

    def contract(self, checkpoint: Checkpoint) -> Contract:
        """Build the contract of a checkpoint."""
