"""What the training loop must be told: a network, its batches, its loss and its score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from edge_all_export.recipe import Recipe


class Sampler(Protocol):
    """Draws batches; the same (epoch, rank) draws the same ones."""

    def begin_epoch(self, epoch: int, rank: int) -> None:
        """Start the random numbers of an epoch."""

    def batch(self, size: int) -> Sequence[Any]:
        """Arrays with the batch as first axis."""


@dataclass
class Job:
    """One training. loss(network, batch of tensors) -> scalar. score(network) -> higher is better, on the groups held
    out; None where none are. unseen: the groups that no batch holds, "source/group". into_training sets the modes."""

    recipe: Recipe
    network: nn.Module
    sampler: Sampler
    loss: Callable[[nn.Module, Sequence[Tensor]], Tensor]
    parameters: Callable[[nn.Module], list[dict[str, Any]]]
    into_training: Callable[[nn.Module], None]
    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    data_sha256: str
    score: Callable[[nn.Module], float] | None = None
    leaky: bool = False
    decide: Callable[[nn.Module], dict[str, Any]] | None = None
    """Calibration and thresholds, from the groups held out."""
