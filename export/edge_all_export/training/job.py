"""Input of the training loop: a network, its batches, its loss and its score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from edge_all_export.recipes.recipe import Recipe


class Sampler(Protocol):
    """Source of batches; the same (epoch, rank) gives the same batches."""

    def begin_epoch(self, epoch: int, rank: int) -> None:
        """Seed the random numbers of an epoch."""

    def batch(self, size: int) -> Sequence[Any]:
        """Return arrays with the batch as first axis."""


@dataclass
class Job:
    """A training run.

    loss(network, batch of tensors) -> scalar. score(network) -> higher is better, on the held-out groups; None if there
    are none. unseen: the groups in no batch, "source/group". into_training sets the modules' modes.
    """

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
    """Returns calibration and thresholds from the held-out groups."""
