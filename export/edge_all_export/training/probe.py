"""A linear probe on a pretrained trunk, from which fine-tuning starts."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from edge_all_export.data.cells import TrainingCell
from edge_all_export.data.classes import SCORED
from edge_all_export.data.classifier_samples import plain_view
from edge_all_export.data.splits import spread
from edge_all_export.models.classifier.features import FeatureNetwork
from edge_all_export.models.classifier.losses import logit_loss, pixels_of
from edge_all_export.models.fake_quant import fake_quantized_weight, rounded
from edge_all_export.recipes.recipe import Recipe
from edge_all_export.training.equalization import equalize
from edge_all_export.training.job import Sampler


def start_from_probe(network: FeatureNetwork, sampler: Sampler, cells: Sequence[TrainingCell], recipe: Recipe) -> None:
    """Normalize the features and solve the last layer for them, with the trunk frozen.

    Fine-tuning from a random last layer distorts features that would work on other data (Kumar et al. 2022).

    Draws recipe["probe_batches"] batches and minimizes, by L-BFGS, the training loss, plus "probe_penalty" times the
    squared weights, plus "probe_nuisance" times the squared responses to differences between the groups of one class
    and source (within-class covariance normalization, Hatch et al. 2006), plus "probe_sources" times the squared
    responses to differences between the sources of one class: a series or a bench must not be evidence.
    With "probe_rounding", the trunk's weights are first rounded to INT8's steps, and that number times the squared
    responses to changes of the features by INT8 is added, so that the last layer relies on what survives INT8.
    cells: the training cells.
    """
    sampler.begin_epoch(2**20, 0)  # random numbers that no training epoch uses
    network.eval()
    if recipe["probe_rounding"]:
        _make_ready_for_int8(network, cells)
    features_of = _features_of(network, cells[0].form.side)
    features, labels = _collect(features_of, sampler, recipe)
    network.feature_mean.copy_(features.mean(0))
    network.feature_scale.copy_(1.0 / (features.std(0) + 1e-3))
    x = network.normalized(features)
    nuisance = _nuisances(network, cells, features_of, recipe["probe_nuisance"], recipe["probe_sources"])
    noise = _rounding_noise(network, cells) if recipe["probe_rounding"] else torch.zeros(1, x.shape[1])
    noise = noise.T @ noise / len(noise)
    head = network.head
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=100, history_size=20, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimizer.zero_grad()
        loss = logit_loss(network.logits(x), labels, recipe["label_smoothing"])
        loss = loss + recipe["probe_penalty"] * (head.weight**2).sum()
        loss = loss + ((nuisance @ head.weight[0]) ** 2).sum()
        loss = loss + recipe["probe_rounding"] * ((head.weight @ noise) * head.weight).sum()
        loss.backward()
        return float(loss.detach())

    optimizer.step(closure)


_Features = Callable[[Tensor], Tensor]


def _features_of(network: FeatureNetwork, side: int) -> _Features:
    """Return network.features, if possible through ONNX Runtime, which takes a fifth of the time on a CPU."""
    if not network.traced_features:
        return network.features
    from edge_all_export.training.feature_session import session_of_features

    session = session_of_features(network, side)
    return lambda image: torch.from_numpy(session.run(None, {"image": image.contiguous().numpy()})[0])


@torch.no_grad()
def _collect(features_of: _Features, sampler: Sampler, recipe: Recipe) -> tuple[Tensor, Sequence[Tensor]]:
    features, labels = [], []
    for _ in range(recipe["probe_batches"]):
        image, *rest = (torch.from_numpy(a) for a in sampler.batch(recipe["batch"]))
        features.append(features_of(pixels_of(image)))
        labels.append(rest)
    return torch.cat(features), [torch.cat(column) for column in zip(*labels, strict=True)]


_ENOUGH_CELLS = 8


@torch.no_grad()
def _nuisances(
    network: FeatureNetwork, cells: Sequence[TrainingCell], features_of: _Features, of_groups: float, of_sources: float
) -> Tensor:
    """Return one row per group and per source: the deviation of its mean features.

    A group's deviation is from the mean of its class and source, a source's from the mean of its class. Rows are
    divided by the root of their number and multiplied by the root of the given factor.
    """
    rows = [torch.zeros(0, len(network.feature_mean))]
    if not of_groups and not of_sources:
        return rows[0]
    pools: dict[tuple[str, str], dict[str, list[TrainingCell]]] = {}
    for cell in cells:
        if cell.kind in SCORED:
            pools.setdefault((cell.source, cell.kind), {}).setdefault(cell.group, []).append(cell)
    sources: dict[str, list[Tensor]] = {}
    for (_, kind), groups in pools.items():
        large = [g for g in groups.values() if len(g) >= _ENOUGH_CELLS]
        if large:
            means = torch.stack([_plain_features(network, g, features_of).mean(0) for g in large])
            rows.append(_apart(means) * of_groups**0.5)
            sources.setdefault(kind, []).append(means.mean(0))
    rows += [_apart(torch.stack(means)) * of_sources**0.5 for means in sources.values()]
    return torch.cat(rows)


def _apart(means: Tensor) -> Tensor:
    """Subtract the mean of all rows from each, and divide by the root of their number."""
    deviations: Tensor = (means - means.mean(0)) / len(means) ** 0.5
    return deviations


def _plain_features(network: FeatureNetwork, cells: Sequence[TrainingCell], features_of: _Features) -> Tensor:
    views = [torch.from_numpy(plain_view(c)) for c in cells]
    parts = [features_of(pixels_of(torch.stack(views[i : i + 64]))) for i in range(0, len(views), 64)]
    features: Tensor = network.normalized(torch.cat(parts))
    return features


@torch.no_grad()
def _make_ready_for_int8(network: FeatureNetwork, cells: Sequence[TrainingCell]) -> None:
    """Equalize the channels and round the weights to INT8's steps; INT8 then rounds only activations, and finely."""
    equalize(network.trunk, network.trunk_input(_some_pixels(cells, _RANGED_CELLS)))
    for module in network.trunk.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.copy_(fake_quantized_weight(module.weight))


_ROUNDED_CELLS = 640
_RANGED_CELLS = 256


def _spread_leukocytes(cells: Sequence[TrainingCell], count: int) -> list[TrainingCell]:
    leukocytes = [c for c in cells if c.kind in SCORED]
    return spread(leukocytes, lambda c: f"{c.source}/{c.group}", count)


def _some_pixels(cells: Sequence[TrainingCell], count: int) -> Tensor:
    """Return plain views, float N x 3 x S x S."""
    return pixels_of(torch.from_numpy(np.stack([plain_view(c) for c in _spread_leukocytes(cells, count)])))


@torch.no_grad()
def _rounding_noise(network: FeatureNetwork, cells: Sequence[TrainingCell]) -> Tensor:
    """Return one row per cell: the change of its features by INT8, less the mean change.

    The export removes the mean change (edge_all_export.onnx_export.quantization.bias_correction).
    """
    some = _spread_leukocytes(cells, _ROUNDED_CELLS)
    int8 = copy.deepcopy(network)
    rounded(int8, _some_pixels(cells, _RANGED_CELLS))
    change = _plain_features(int8, some, int8.features) - _plain_features(network, some, network.features)
    return change - change.mean(0)
