"""The last layer first: a linear probe of a pretrained trunk, from which fine-tuning starts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edge_all_export.classifier.losses import logit_loss, pixels_of
from edge_all_export.classifier.network import BlastNet
from edge_all_export.recipe import Recipe
from edge_all_export.training.job import Sampler


def start_from_probe(network: BlastNet, sampler: Sampler, recipe: Recipe) -> None:
    """Normalise the features and solve the last layer for them, the trunk untouched (Kumar et al. 2022: fine-tuning
    from a random last layer spoils features that would have served on other data).

    Draws recipe["probe_batches"] batches as epoch -1 and minimises the training's loss plus recipe["probe_penalty"]
    times the squared weights by L-BFGS.
    """
    sampler.begin_epoch(2**20, 0)  # random numbers that no training epoch uses
    network.eval()
    features, labels = _collect(network, sampler, recipe)
    network.feature_mean.copy_(features.mean(0))
    network.feature_scale.copy_(1.0 / (features.std(0) + 1e-3))
    x = (features - network.feature_mean) * network.feature_scale
    heads = [network.head] if network.head_segmented is None else [network.head, network.head_segmented]
    for head in heads:
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
    solved = [p for head in heads for p in head.parameters()]
    optimizer = torch.optim.LBFGS(solved, max_iter=100, history_size=20, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimizer.zero_grad()
        loss = logit_loss(network.logits(x), labels, recipe["label_smoothing"])
        for head in heads:
            loss = loss + recipe["probe_penalty"] * (head.weight**2).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    optimizer.step(closure)  # type: ignore[no-untyped-call]


@torch.no_grad()
def _collect(network: BlastNet, sampler: Sampler, recipe: Recipe) -> tuple[Tensor, Sequence[Tensor]]:
    features, labels = [], []
    for _ in range(recipe["probe_batches"]):
        image, *rest = (torch.from_numpy(a) for a in sampler.batch(recipe["batch"]))
        features.append(network.features(pixels_of(image)))
        labels.append(rest)
    return torch.cat(features), [torch.cat(column) for column in zip(*labels, strict=True)]
