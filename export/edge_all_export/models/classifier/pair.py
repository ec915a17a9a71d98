"""The weighted mean of two networks for cells cut out of their surroundings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from edge_all_export.data.crop_form import FINE
from edge_all_export.models.classifier.family import ClassifierFamily
from edge_all_export.models.classifier.features import FeatureNetwork, SolvedPart
from edge_all_export.models.classifier.inverted_residual import LiteTrunk
from edge_all_export.models.classifier.network import BLAST_NET_TEXTURED, BlastNet
from edge_all_export.recipes.recipe import Recipe

UNTOUCHED_TAPS = tuple(range(11))
_AS_IT_LIES_AND_A_QUARTER_TURN = (0, 5)
_TUNED_WEIGHT, _UNTOUCHED_WEIGHT = 0.6, 0.4
"""Weights of the two logits. The frozen network's logits are larger by half, so both have equal influence."""
REACH = 4.0
"""Limit of a feature, in standard deviations."""


class BlastPair(nn.Module):
    """Pair of blast classifiers. Input float N x 3 x 160 x 160, 0..255, at 0.126 um per px; output logits N x 2.

    The logits are those of BlastNet. ``tuned`` receives the picture at half the size and is fine-tuned. ``untouched``
    receives the full picture; its trunk keeps the ImageNet weights, and one linear layer is solved for the means and
    deviations of all its maps. The two fail on different subjects. In training mode, only the tuned network is used.
    """

    def __init__(self, pretrained: bool = True, dropout: float = 0.3) -> None:
        super().__init__()
        self.keeps_statistics = pretrained
        self.tuned = BlastNet(pretrained, dropout, textured=True)
        self.untouched = BlastNet(
            pretrained, 0.0, textured=True, taps=UNTOUCHED_TAPS, views=_AS_IT_LIES_AND_A_QUARTER_TURN
        )
        self.untouched.requires_grad_(False)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits, N x 2; in training mode, those of the tuned network."""
        tuned: Tensor = self.tuned(nn.functional.avg_pool2d(image, 2))
        if self.training:
            return tuned
        blast = _TUNED_WEIGHT * tuned[:, :1] + _UNTOUCHED_WEIGHT * self.untouched_logit(image)
        return torch.cat([blast, tuned[:, 1:]], 1)

    def untouched_logit(self, image: Tensor) -> Tensor:
        """Return the frozen network's logit, N x 1, blast against normal."""
        features = self.untouched.normalized(self.untouched.viewed_features(image)).clamp(-REACH, REACH)
        return self.untouched.logits(features)[:, :1]


_TRUNK = "untouched.trunk."


def without_untouched_trunk(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a pair's weights without the shared ImageNet weights: half the size, for checkpoints of folds."""
    return {k: v for k, v in weights.items() if not k.startswith(_TRUNK)}


def with_untouched_trunk(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a pair's complete weights, with the frozen trunk's from ImageNet if they were left out.

    Raises EdgeAllError when the ImageNet weights are not installed.
    """
    if any(k.startswith(_TRUNK) for k in weights):
        return dict(weights)
    trunk = LiteTrunk(max(UNTOUCHED_TAPS) + 1, pretrained=True)
    return {**weights, **{_TRUNK + k: v for k, v in trunk.state_dict().items()}}


class BlastPairFamily(ClassifierFamily):
    """BlastPair: one part is trained, the other one solved."""

    def trained_part(self, network: nn.Module) -> nn.Module:
        """Return the tuned network."""
        return cast("BlastPair", network).tuned

    def probed_part(self, network: nn.Module) -> FeatureNetwork:
        """Return the tuned network."""
        return cast("BlastPair", network).tuned

    def solved_part(self, network: nn.Module) -> SolvedPart:
        """Return the frozen network."""
        return SolvedPart(cast("BlastPair", network).untouched, REACH)

    def stored_weights(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the weights without the frozen trunk, which is the same in every pair."""
        return without_untouched_trunk(weights)

    def complete_weights(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the weights with the frozen trunk. Raises EdgeAllError when ImageNet's are not installed."""
        return with_untouched_trunk(weights)

    def recipe_for_comparison(self, recipe: Recipe) -> Recipe:
        """Return the recipe with the tuned network alone, on the crops that all candidates use."""
        return recipe.but(network=BLAST_NET_TEXTURED.name, untouched_penalty=0.0)


BLAST_PAIR = BlastPairFamily("blast-pair", "this project", BlastPair, imagenet=True, form=FINE, is_candidate=False)
"""BLAST_NET_TEXTURED combined with a second network for finer crops."""
