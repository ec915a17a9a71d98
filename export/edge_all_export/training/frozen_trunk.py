"""The last layer on a frozen trunk: logistic regression on the features of all training cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from edge_all_export.data.cells import TrainingCell
from edge_all_export.data.classes import BLAST, SCORED
from edge_all_export.data.classifier_samples import plain_view
from edge_all_export.models.classifier.features import SolvedPart
from edge_all_export.models.classifier.losses import pixels_of

_STEPS = 25
_BATCH = 64


@torch.no_grad()
def solve_last_layer(part: SolvedPart, cells: Sequence[TrainingCell], penalty: float, smoothing: float) -> None:
    """Normalize the features of a part and solve its last layer on plain views of all blasts and normal cells.

    Both classes have the same weight; within a class, each group is weighted by the root of its count. Minimizes the
    weighted mean of the cross entropy plus ``penalty`` times the squared weights, by Newton's method.
    """
    labeled = [c for c in cells if c.kind in SCORED]
    network = part.network.eval()
    parts = []
    for start in range(0, len(labeled), _BATCH):
        views = np.stack([plain_view(c) for c in labeled[start : start + _BATCH]])
        parts.append(network.viewed_features(pixels_of(torch.from_numpy(views))))
    solve_on_features(part, torch.cat(parts), labeled, penalty, smoothing)


@torch.no_grad()
def solve_on_features(
    part: SolvedPart, features: Tensor, cells: Sequence[TrainingCell], penalty: float, smoothing: float
) -> None:
    """Do the same as solve_last_layer for given features of the cells, N x F."""
    network = part.network
    weight = _weights(cells)
    mean = weight @ features.double()
    spread = (weight @ (features.double() - mean) ** 2).sqrt()
    network.feature_mean.copy_(mean)
    network.feature_scale.copy_(1.0 / (spread + 1e-6))
    x = network.normalized(features).clamp(-part.reach, part.reach).double()
    target = torch.tensor([c.kind == BLAST for c in cells], dtype=torch.float64)
    solution = logistic(x, target * (1 - smoothing) + smoothing / 2, weight, penalty)
    network.head.weight.zero_()
    network.head.bias.zero_()
    network.head.weight[0].copy_(solution[:-1])
    network.head.bias[0].copy_(solution[-1])


def logistic(x: Tensor, target: Tensor, weight: Tensor, penalty: float) -> Tensor:
    """Solve a logistic regression and return weights and bias, F + 1.

    All float64: x N x F; target N, 0 to 1; weight N, with sum 1.
    """
    x = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], 1)
    ridge = torch.full((x.shape[1],), 2 * penalty, dtype=x.dtype)
    ridge[-1] = 1e-9
    solution = torch.zeros(x.shape[1], dtype=x.dtype)
    for _ in range(_STEPS):
        probability = torch.sigmoid(x @ solution)
        gradient = x.T @ ((probability - target) * weight) + ridge * solution
        curvature = (x * (probability * (1 - probability) * weight)[:, None]).T @ x + torch.diag(ridge)
        step = torch.linalg.solve(curvature, gradient)
        solution = solution - step
        if float(step.abs().max()) < 1e-7:
            break
    return solution


def _weights(cells: Sequence[TrainingCell]) -> Tensor:
    counts: dict[tuple[str, str, str], int] = {}
    for c in cells:
        key = (c.kind, c.source, c.group)
        counts[key] = counts.get(key, 0) + 1
    of_class: dict[str, float] = {}
    for (kind, _, _), count in counts.items():
        of_class[kind] = of_class.get(kind, 0.0) + count**0.5
    weights = [counts[c.kind, c.source, c.group] ** -0.5 / of_class[c.kind] for c in cells]
    return torch.tensor(weights, dtype=torch.float64) / len(of_class)
