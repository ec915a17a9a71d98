"""The training job of the classifier of kinds: balance, loss, modes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from edge_all.errors import UsageError
from edge_all_export.data.kind_crops import KindCell
from edge_all_export.data.kinds import KINDS, NORMAL_KINDS, kind_mask
from edge_all_export.data.splits import any_matches, group_names
from edge_all_export.models.base import ModelFamily
from edge_all_export.models.classifier.kinds_network import KindsNet
from edge_all_export.models.kind_thresholds import BLAST, blast_score, choose_kind_decision
from edge_all_export.models.registry import family_of_recipe
from edge_all_export.recipes.recipe import Recipe
from edge_all_export.training.frozen_maps import FrozenMaps
from edge_all_export.training.job import HeldOut, Job, JobData

FloatArray = npt.NDArray[np.float32]

_MOST_CELLS = 600
"""More cells than these of one kind from one source weigh no more."""
_ARTIFACT_WEIGHT = 0.5
_MIXED = 0.5
"""Share of the batches whose style is mixed."""
_MIX_SHAPE = 0.2
"""Shape of the beta distribution of a cell's own share, which is mostly near 0 or 1."""
_STANDARDIZED_ON = 384
"""Training views that set the features' mean and scale."""


def balance(cells: Sequence[KindCell], shares: Mapping[str, float]) -> npt.NDArray[np.float64]:
    """Return the probability of drawing each cell.

    A kind of a source weighs as much as the square root of its cells; within it each group (patient, series, batch)
    weighs the same. shares: Factors by "source" or "source/kind"; "*" for the others.
    """
    keys = [(c.source, c.detail if c.kind == "artifact" else c.kind) for c in cells]
    count = Counter(keys)
    in_group = Counter(zip(keys, (c.group for c in cells), strict=True))
    groups = Counter(key for key, _ in in_group)
    weights = np.array(
        [
            min(count[key], _MOST_CELLS) ** 0.5 / (groups[key] * in_group[key, c.group])
            for key, c in zip(keys, cells, strict=True)
        ]
    )
    weights *= [_ARTIFACT_WEIGHT if c.kind == "artifact" else 1.0 for c in cells]
    rest = shares.get("*", 1.0)
    weights *= [shares.get(f"{c.source}/{c.kind}", shares.get(c.source, rest)) for c in cells]
    return np.asarray(weights / weights.sum())


class MapSampler:
    """Batches of frozen maps, turned and mirrored, with the kinds that each label allows."""

    def __init__(
        self, cells: Sequence[KindCell], indices: npt.NDArray[np.intp], maps: FrozenMaps, recipe: Recipe
    ) -> None:
        """Create the sampler. indices: training cells among ``cells``, each with a varied view."""
        self._maps, self._seed = maps, recipe["seed"]
        self._indices = indices
        self._weights = balance([cells[i] for i in indices], recipe["shares"])
        self._possible = np.stack([kind_mask(cells[i].possible) for i in indices])
        self._rng = np.random.Generator(np.random.PCG64(self._seed))

    def begin_epoch(self, epoch: int, rank: int) -> None:
        """Start this epoch's random numbers."""
        self._rng = np.random.Generator(np.random.PCG64([self._seed, epoch, rank]))

    def batch(self, size: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return maps N x C x h x w, features N x F, possible kinds N x 10."""
        rng = self._rng
        drawn = rng.choice(len(self._indices), size, p=self._weights)
        views = [self._maps.varied[int(self._indices[i])] for i in drawn]
        maps, features = self._maps.read([v[int(rng.integers(len(v)))] for v in views])
        if rng.random() < 0.5:
            maps = maps[:, :, ::-1]
        if rng.random() < 0.5:
            maps = maps.transpose(0, 1, 3, 2)
        return np.ascontiguousarray(maps), features, self._possible[drawn]


def kinds_job(
    cells: Sequence[KindCell],
    maps: FrozenMaps,
    recipe: Recipe,
    data_sha256: str,
    leave_out: Callable[[KindCell], bool] = lambda _: False,
) -> Job:
    """Return a training on all cells but those left out, by ``leave_out`` or by the recipe."""

    def is_left_out(cell: KindCell) -> bool:
        return leave_out(cell) or any_matches(recipe["data.leave_out"], cell.source, cell.group)

    def is_held_out(cell: KindCell) -> bool:
        return any_matches(recipe["data.hold_out"], cell.source, cell.group)

    rest = [i for i, c in enumerate(cells) if c.possible and not is_left_out(c)]
    held = [i for i in rest if is_held_out(cells[i]) and i in maps.plain]
    seen = np.array([i for i in rest if not is_held_out(cells[i]) and i in maps.varied], np.intp)
    for kind in ("blast", "lymphocyte"):
        if not any(cells[i].possible == (kind,) for i in seen):
            raise UsageError(f"no {kind} is left to train on", "leave fewer groups out, or name more sources")
    held_out = held_out_cells(cells, maps, held)
    if recipe["patience"] and held_out is None:
        raise UsageError(
            "early stopping needs blasts and normal cells in held-out groups",
            "name groups of both under [data] hold_out, or set patience = 0",
        )
    torch.manual_seed(recipe["seed"])
    family = family_of_recipe(recipe)
    network = cast("KindsNet", family.build(recipe["pretrained"], recipe["dropout"]))
    sampler = MapSampler(cells, seen, maps, recipe)
    _standardize(network, sampler)
    return Job(
        recipe,
        network,
        sampler,
        lambda net, batch: loss_of(family, net, batch, recipe["label_smoothing"]),
        lambda net: _parameters(net, recipe),
        _into_training,
        JobData(
            tuple(group_names((cells[i].source, cells[i].group) for i in seen)),
            tuple(group_names((c.source, c.group) for c in cells if is_left_out(c))),
            data_sha256,
        ),
        held_out,
    )


def held_out_cells(cells: Sequence[KindCell], maps: FrozenMaps, held: Sequence[int]) -> HeldOut | None:
    """Return score and decision on cells that are not trained on; None if they are not both blasts and normal cells."""
    possible = np.array([kind_mask(cells[i].possible) for i in held], np.float64).reshape(len(held), len(KINDS))
    is_blast = (possible[:, BLAST] > 0) & (possible.sum(1) == 1)
    is_normal = np.array([set(cells[i].possible) <= set(NORMAL_KINDS) for i in held], bool)
    source = np.array([cells[i].source for i in held], np.str_)
    if not (is_blast.any() and is_normal.any()):
        return None

    def logits(network: nn.Module) -> npt.NDArray[np.float64]:
        return logits_of(cast("KindsNet", network), maps, held).astype(np.float64)

    def score(network: nn.Module) -> float:
        from sklearn.metrics import roc_auc_score

        known = is_blast | is_normal
        return float(roc_auc_score(is_blast[known], blast_score(logits(network)[known])))

    def decide(network: nn.Module) -> dict[str, Any]:
        return asdict(choose_kind_decision(logits(network), possible, source, is_blast, is_normal))

    return HeldOut(score, decide)


def _into_training(network: nn.Module) -> None:
    network.train()


@torch.no_grad()
def _standardize(network: KindsNet, sampler: MapSampler) -> None:
    network.eval()
    maps, features, _ = sampler.batch(_STANDARDIZED_ON)
    network.standardize_by(network.features(torch.from_numpy(maps), torch.from_numpy(features)))
    nn.init.normal_(network.head.weight, 0, 0.01)
    nn.init.zeros_(network.head.bias)


def loss_of(family: ModelFamily, network: nn.Module, batch: Sequence[Tensor], smoothing: float) -> Tensor:
    """Return the loss of a batch that MapSampler drew."""
    maps, *others = batch
    if network.training and float(torch.rand(())) < _MIXED:
        maps = mixed_style(maps)
    return family.loss(network, [maps, *others], smoothing)


def mixed_style(maps: Tensor) -> Tensor:
    """Give each picture's maps channel means and deviations between its own and another's (Zhou et al. 2021).

    These statistics carry stain and camera, so the blocks that follow learn not to rely on them. maps: N x C x h x w.
    """
    mean = maps.mean((2, 3), keepdim=True)
    spread = (maps.var((2, 3), keepdim=True) + 1e-4).sqrt()
    other = torch.randperm(len(maps))
    own = torch.distributions.Beta(_MIX_SHAPE, _MIX_SHAPE).sample((len(maps), 1, 1, 1)).to(maps)
    new_mean = own * mean + (1 - own) * mean[other]
    new_spread = own * spread + (1 - own) * spread[other]
    return (maps - mean) / spread * new_spread + new_mean


def _parameters(network: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    named = [(n, p) for n, p in network.named_parameters() if p.requires_grad]
    return [
        {"params": [p for n, p in named if not n.startswith("head")], "lr": recipe["rate"]},
        {"params": [p for n, p in named if n.startswith("head")], "lr": recipe["rate"] * recipe["head_rate"]},
    ]


@torch.inference_mode()
def logits_of(network: KindsNet, maps: FrozenMaps, indices: Sequence[int]) -> FloatArray:
    """Return the logits of plain views, N x 10."""
    network.eval()
    parts = []
    for start in range(0, len(indices), 64):
        read = maps.read([maps.plain[i] for i in indices[start : start + 64]])
        parts.append(network.from_frozen(*(torch.from_numpy(np.ascontiguousarray(a)) for a in read)).numpy())
    return np.concatenate(parts) if parts else np.zeros((0, 10), np.float32)
