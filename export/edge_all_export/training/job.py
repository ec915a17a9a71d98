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


@dataclass(frozen=True)
class JobData:
    """The data of a training run, as noted in its checkpoint."""

    seen: tuple[str, ...]
    """The groups in the batches, "source/group"."""
    unseen: tuple[str, ...]
    """The groups in no batch."""
    sha256: str
    leaky: bool = False
    """True if the split is by image, which lets groups leak from training into the held-out part."""


@dataclass(frozen=True)
class HeldOut:
    """Computations on the held-out groups."""

    score: Callable[[nn.Module], float]
    """Higher is better."""
    decide: Callable[[nn.Module], dict[str, Any]] | None = None
    """Returns calibration and thresholds."""


@dataclass
class Job:
    """A training run."""

    recipe: Recipe
    network: nn.Module
    sampler: Sampler
    loss: Callable[[nn.Module, Sequence[Tensor]], Tensor]
    """Returns the loss of a network on a batch of tensors, a scalar."""
    parameters: Callable[[nn.Module], list[dict[str, Any]]]
    into_training: Callable[[nn.Module], None]
    """Sets the modes of the modules."""
    data: JobData
    held_out: HeldOut | None = None
    """None if no groups are held out."""
