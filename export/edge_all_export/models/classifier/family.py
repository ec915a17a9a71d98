"""Families of classifiers: float N x 3 x S x S, 0..255 -> logits N x 2, blast and unfamiliar."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from edge_all.errors import UsageError
from edge_all.inference.contract import Contract
from edge_all_export.data.crop_form import COARSE, CropForm
from edge_all_export.models.checkpoint import Checkpoint
from edge_all_export.models.classifier.features import FeatureNetwork, SolvedPart
from edge_all_export.models.classifier.losses import logit_loss, pixels_of
from edge_all_export.models.contracts import decision_of, provenance, sources_of
from edge_all_export.recipes.recipe import Recipe


class DeployedClassifier(nn.Module):
    """Classifier as deployed: uint8 N x S x S x 3 in; blast probability and unfamiliarity out, each N.

    ``scale`` and ``shift`` calibrate the blast logit (Platt 1999); they are fitted on out-of-fold cells.
    """

    def __init__(self, network: nn.Module, scale: float, shift: float) -> None:
        super().__init__()
        self.network = network
        self.scale = scale
        self.shift = shift

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return blast probability and unfamiliarity, each N."""
        logits = self.network(image.to(torch.float32).permute(0, 3, 1, 2))
        return torch.sigmoid(logits[:, 0] * self.scale + self.shift), torch.sigmoid(logits[:, 1])


def _first_blocks_in_float() -> dict[str, int]:
    return {"int8-cpu": 3, "int8-trt": 9}


@dataclass(frozen=True)
class ClassifierFamily:
    """A kind of classifier. The methods are those of a network that is trained as a whole; a subclass overrides some.

    See ModelFamily for what the methods of that protocol do.
    """

    name: str
    source: str
    """Publication, or who made it."""
    builder: Callable[[bool, float], nn.Module]
    """Builds the network: (pretrained, dropout)."""
    imagenet: bool = False
    """True if ImageNet weights are available offline."""
    form: CropForm = COARSE
    """Form of the network's crops."""
    float_beginning: Mapping[str, int] = field(default_factory=_first_blocks_in_float)
    """By default the stem and the first block. The standardized colors and the few channels of the first block hold the
    finest steps that distinguish nuclei, and with so few channels INT8 saves no time
    (docs/decisions/0004-classifiers-tried.md). For TensorRT, whose symmetric ranges have only seven bits for values
    that are never negative, also the next two blocks."""
    proposed: bool = False
    """True for the network that this project proposes: in a comparison, it keeps the start that its recipe gives it,
    and the conclusion is about it."""
    is_candidate: bool = True
    """False for a variant that does not take part in a comparison itself."""
    task: str = field(default="classifier", init=False)
    free_axes: Sequence[int] = field(default=(0,), init=False)

    @property
    def compared_starts(self) -> tuple[bool, ...]:
        """Values of ``pretrained`` that a comparison tries."""
        if self.proposed:
            return (True,)
        return (True, False) if self.imagenet else (False,)

    def build(self, pretrained: bool, dropout: float = 0.3) -> nn.Module:
        """Build the network. Raises UsageError when ImageNet weights are not available offline."""
        if pretrained and not self.imagenet:
            raise UsageError(f"ImageNet weights of {self.name} are not available offline", "set pretrained = false")
        return self.builder(pretrained, dropout)

    def loss(self, network: nn.Module, batch: Sequence[Tensor], smoothing: float) -> Tensor:
        """Return the loss of a batch drawn by CellSampler."""
        image, *labels = batch
        return logit_loss(network(pixels_of(image)).float(), labels, smoothing)

    def trained_part(self, network: nn.Module) -> nn.Module:
        """Return the part whose parameters are trained."""
        return network

    def probed_part(self, network: nn.Module) -> FeatureNetwork | None:  # noqa: ARG002
        """Return the part whose last layer is solved before the training, or None if there is none."""
        return None

    def solved_part(self, network: nn.Module) -> SolvedPart | None:  # noqa: ARG002
        """Return the part that is solved and not trained, or None if there is none."""
        return None

    def stored_weights(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return all weights."""
        return dict(weights)

    def complete_weights(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the weights as they are."""
        return dict(weights)

    def deployed(self, network: nn.Module, checkpoint: Checkpoint) -> nn.Module:
        """Wrap the network for deployment, with its calibration."""
        decision = decision_of(checkpoint)
        return DeployedClassifier(network, decision.scale, decision.shift)

    def contract(self, checkpoint: Checkpoint) -> Contract:
        """Build the contract of a checkpoint."""
        decision = decision_of(checkpoint)
        return Contract(
            task=self.task,
            name=self.name,
            version=str(checkpoint.recipe["version"]),
            um_per_px=self.form.um_per_px,
            input_px=self.form.side,
            outputs=("blast_probability", "unfamiliarity"),
            thresholds={"blast": decision.blast, "normal": decision.normal, "unfamiliar": decision.unfamiliar},
            training_data=sources_of(checkpoint),
            unseen_groups=checkpoint.unseen_groups,
            window="disc",
            extra={
                **provenance(checkpoint),
                "suspect": decision.suspect,
                "cells": checkpoint.recipe["cells"],
                **({} if checkpoint.decision else {"thresholds_not_chosen": True}),
            },
        )

    def recipe_for_comparison(self, recipe: Recipe) -> Recipe:
        """Return the recipe of this network for a comparison, in which all candidates use the same crops."""
        return recipe
