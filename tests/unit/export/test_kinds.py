"""The classifier of kinds: what labels allow, how cells are cut and drawn, and that it learns and resumes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from edge_all_export.data.crop_cache import open_crops
from edge_all_export.data.kind_crops import SIDE, UM_PER_PX, Cutting, KindCell, Pixels, crops_of, cut_wide
from edge_all_export.data.kind_views import plain_view, varied_view
from edge_all_export.data.kinds import KINDS, MATURE, kind_mask, possible_kinds
from edge_all_export.data.labeled_field import LabeledField, LabeledObject
from edge_all_export.models.classifier.folded import FoldedResidual, FoldedTrunk
from edge_all_export.models.classifier.inverted_residual import LiteTrunk
from edge_all_export.models.classifier.kinds_network import FROZEN_BLOCKS, KindsNet, partial_label_loss
from edge_all_export.recipes.recipe import Recipe, load_recipe
from edge_all_export.release.kind_folds import FOLDS, is_out
from edge_all_export.training.frozen_maps import FrozenMaps, make_pass
from edge_all_export.training.kinds import balance, kinds_job, logits_of, mixed_style
from edge_all_export.training.loop import fit

from edge_all.errors import UsageError


def _cell(source: str, group: str, kind: str, detail: str = "", name: str = "") -> KindCell:
    return KindCell(source, group, name or f"{source}-{group}-{kind}", kind, detail, 0.1)


def test_a_label_allows_the_kinds_that_it_does_not_exclude() -> None:
    assert possible_kinds("bccd", "leukocyte") == MATURE
    assert possible_kinds("allidb1", "leukocyte") == (*MATURE, "blast")
    assert possible_kinds("allidb1", "normal") == MATURE
    assert possible_kinds("pbc", "monocyte") == ("monocyte",)
    assert possible_kinds("deepapl", "monocyte_precursor", "promonocyte|AML") == ("blast", "monocyte")
    assert possible_kinds("deepapl", "immature_granulocyte", "promyelocyte|APL") == ("immature_granulocyte", "blast")
    assert possible_kinds("deepapl", "immature_granulocyte", "promyelocyte|AML") == ("immature_granulocyte",)
    assert possible_kinds("pbc", "platelet") == ("artifact",)
    assert possible_kinds("allidb1", "ignore") == ()


def test_a_partial_label_is_satisfied_by_any_kind_it_allows() -> None:
    allowed = torch.from_numpy(kind_mask(MATURE))[None]
    sure = torch.full((1, 10), -9.0)
    losses = {}
    for kind in ("neutrophil", "monocyte", "blast"):
        logits = sure.clone()
        logits[0, KINDS.index(kind)] = 9.0
        losses[kind] = float(partial_label_loss(logits, allowed, 0.0))
    assert losses["neutrophil"] == pytest.approx(losses["monocyte"], abs=1e-5)
    assert losses["neutrophil"] < 1e-3
    assert losses["blast"] > 10


def test_each_patient_of_a_kind_has_the_same_weight_and_shares_multiply() -> None:
    cells = (
        [_cell("deepapl", "P1", "blast")] * 9 + [_cell("deepapl", "P2", "blast")] + [_cell("bccd", "b", "leukocyte")]
    )
    weights = balance(cells, {"*": 1})
    assert weights.sum() == pytest.approx(1)
    assert weights[:9].sum() == pytest.approx(weights[9])
    assert weights[:10].sum() / weights[10] == pytest.approx(10**0.5)
    without = balance(cells, {"*": 1, "deepapl/blast": 0})
    assert without[:10].sum() == 0
    assert without[10] == pytest.approx(1)


def test_a_folded_trunk_computes_what_batch_norm_in_evaluation_mode_does() -> None:
    torch.manual_seed(0)
    trunk = LiteTrunk(8, pretrained=False).eval()
    for module in trunk.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    folded = FoldedTrunk.of(trunk, FROZEN_BLOCKS)
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        wanted = trunk(image)
        frozen = folded.frozen_maps(image)
        maps = frozen + folded.trained_maps(frozen[-1])
    for one, other in zip(maps, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_gradients_through_fixed_filters_are_those_of_a_plain_convolution() -> None:
    torch.manual_seed(0)
    trunk = FoldedTrunk(9, FROZEN_BLOCKS, pretrained=False)
    maps = torch.randn(2, 80, 9, 9)
    gradients = []
    for fixed in (True, False):
        for block in trunk.blocks:
            assert isinstance(block, FoldedResidual)
            block.depthwise.weight.requires_grad_(not fixed)
        trunk.zero_grad()
        x = maps.clone().requires_grad_()
        trunk.trained_maps(x)[-1].square().sum().backward()
        assert x.grad is not None
        gradients.append([x.grad, *(b.depthwise.bias.grad for b in trunk.blocks[FROZEN_BLOCKS:])])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


@pytest.fixture
def drawn_field(tmp_path: Path) -> LabeledField:
    """A blast, a lymphocyte off its label's center, an erythrocyte and a platelet on white."""
    image = np.full((600, 800, 3), 235, np.uint8)
    cv2.circle(image, (200, 300), 60, (120, 60, 140), -1)
    cv2.circle(image, (600, 300), 45, (100, 40, 130), -1)
    cv2.circle(image, (400, 120), 36, (220, 170, 170), -1)
    cv2.circle(image, (400, 500), 10, (160, 90, 170), -1)
    cv2.imwrite(str(tmp_path / "field.png"), image[..., ::-1])
    objects = (
        LabeledObject(200, 300, 60, "blast"),
        LabeledObject(590, 308, 45, "lymphocyte"),
        LabeledObject(400, 120, 36, "erythrocyte"),
        LabeledObject(400, 500, 10, "platelet"),
    )
    return LabeledField("bench", "smear", tmp_path / "field.png", 0.1, objects)


def _peaks(_image: Pixels, _um_per_px: float) -> list[tuple[float, float, float, float]]:
    return [(201.0, 300.0, 60.0, 0.9), (600.0, 300.0, 45.0, 0.8), (100.0, 540.0, 30.0, 0.05)]


def test_cells_are_cut_at_the_center_that_the_detector_finds(drawn_field: LabeledField) -> None:
    made = list(crops_of(drawn_field, _peaks, Cutting(1, 1, false_peaks=2)))
    assert Counter((c.kind, c.detail) for c, _ in made) == {
        ("blast", ""): 1,
        ("lymphocyte", ""): 1,
        ("artifact", "erythrocyte"): 1,
        ("artifact", "platelet"): 1,
        ("artifact", "false peak"): 1,
    }
    crop = next(p for c, p in made if c.kind == "lymphocyte")
    assert crop.shape == (SIDE, SIDE, 3)
    rows, columns = np.nonzero(crop[..., 1] < 100)
    assert np.mean(columns) == pytest.approx((SIDE - 1) / 2, abs=1)
    assert np.mean(rows) == pytest.approx((SIDE - 1) / 2, abs=1)
    width = np.ptp(columns) + 1
    assert width == pytest.approx(91 * 0.1 / UM_PER_PX, abs=3)


def test_a_label_of_a_whole_picture_takes_the_clear_cell_nearest_to_the_middle(tmp_path: Path) -> None:
    image = np.full((300, 300, 3), 235, np.uint8)
    cv2.circle(image, (70, 80), 40, (100, 40, 130), -1)
    cv2.imwrite(str(tmp_path / "cell.png"), image[..., ::-1])
    label = LabeledObject(149.5, 149.5, 40, "monocyte")
    picture = LabeledField("bench", "smear", tmp_path / "cell.png", 0.15, (label,))
    peaks = [(140.0, 150.0, 10.0, 0.12), (70.0, 80.0, 40.0, 0.9)]
    darkness = []
    for reach in (0.0, 19.0):
        ((cell, crop),) = crops_of(picture, lambda *_: peaks, Cutting(reach_um=reach))
        assert cell.kind == "monocyte"
        darkness.append(crop[SIDE // 2, SIDE // 2, 1] < 100)
    assert darkness == [False, True]


def test_a_crop_at_the_edge_repeats_the_edge() -> None:
    image = np.full((100, 100, 3), 200, np.uint8)
    assert (cut_wide(image, 5, 5, 0.1) == 200).all()


def test_views_keep_their_size_and_vary(drawn_field: LabeledField) -> None:
    crop = next(iter(crops_of(drawn_field, _peaks, Cutting())))[1]
    plain = plain_view(crop, 144, 0.14)
    assert plain.shape == (144, 144, 3)
    rng = np.random.default_rng(0)
    views = [varied_view(crop, 144, 0.14, rng) for _ in range(8)]
    assert all(v.shape == (144, 144, 3) and 0 <= v.min() <= v.max() <= 255 for v in views)
    assert np.std([v.mean((0, 1)) for v in views], axis=0).min() > 3
    again = varied_view(crop, 144, 0.14, np.random.default_rng(0))
    np.testing.assert_array_equal(again, views[0])


def test_the_cache_is_made_once_and_reads_back(tmp_path: Path) -> None:
    crop = np.arange(SIDE * SIDE * 3, dtype=np.int64).reshape(SIDE, SIDE, 3).astype(np.uint8)
    calls = []

    def make() -> Iterator[tuple[KindCell, Pixels]]:
        calls.append(1)
        yield _cell("bccd", "b", "leukocyte"), crop

    for _ in range(2):
        cache = open_crops(tmp_path / "cache", make)
        assert cache.cells == (_cell("bccd", "b", "leukocyte"),)
        np.testing.assert_array_equal(cache.crops[0], crop)
    assert calls == [1]


def test_every_fold_leaves_whole_groups_out() -> None:
    cells = [_cell("deepapl", f"P{i:02d}", "blast") for i in range(9)]
    cells += [_cell("cnmc", f"{i}", "blast") for i in range(6)] + [_cell("cnmc", f"H{i}", "normal") for i in range(6)]
    cells += [_cell("allidb1", s, "blast") for s in "ABCDEG"] + [_cell("lisc", "lisc", "monocyte")]
    unseen: Counter[tuple[str, str]] = Counter()
    for fold in FOLDS:
        out = is_out(fold, cells)
        if fold.startswith("groups"):
            unseen.update((c.source, c.group) for c in cells if out(c))
    assert set(unseen.values()) == {1}
    assert len(unseen) == 9 + 12 + 6
    assert {c.source for c in cells if is_out("out-deepapl", cells)(c)} == {"deepapl"}
    assert not any(is_out("all", cells)(c) for c in cells)


@dataclass
class _Toy:
    cells: list[KindCell]
    maps: FrozenMaps
    recipe: Recipe


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> _Toy:
    """Two kinds that differ in size, on two benches that differ in light."""
    folder = tmp_path_factory.mktemp("kinds")
    rng = np.random.default_rng(0)

    def make() -> Iterator[tuple[KindCell, Pixels]]:
        for i in range(24):
            kind, bench = ("blast", "lymphocyte")[i % 2], ("one", "two")[i // 2 % 2]
            crop = np.full((SIDE, SIDE, 3), 235, np.uint8)
            radius = int(rng.integers(58, 68)) if kind == "blast" else int(rng.integers(28, 36))
            cv2.circle(crop, (112, 112), radius, (130, 70, 150) if bench == "one" else (90, 60, 170), -1)
            yield _cell(bench, f"g{i % 3}", kind, name=str(i)), crop

    cache = open_crops(folder / "crops", make)
    torch.manual_seed(0)
    network = KindsNet()
    for number in range(2):
        make_pass(cache, network, np.arange(len(cache.cells)), folder / "maps", number, 0)
    recipe = load_recipe("kinds").but(epochs=2, steps_per_epoch=10, batch=8, average=0.8, rate=1e-3)
    return _Toy(list(cache.cells), FrozenMaps(folder / "maps", 2), recipe)


def _trained(toy: _Toy, out: Path, **changes: Any) -> KindsNet:
    job = kinds_job(toy.cells, toy.maps, toy.recipe, "data", lambda c: c.group == "g2")
    made = fit(job, out, "kinds-net", **changes)
    assert made.unseen_groups == ("one/g2", "two/g2")
    network = KindsNet(pretrained=False)
    network.load_state_dict(made.weights)
    return network


def test_it_learns_kinds_of_groups_never_seen(toy: _Toy, tmp_path: Path) -> None:
    network = _trained(toy, tmp_path)
    unseen = [i for i, c in enumerate(toy.cells) if c.group == "g2"]
    named = [KINDS[k] for k in logits_of(network, toy.maps, unseen).argmax(1)]
    assert np.mean([n == toy.cells[i].kind for n, i in zip(named, unseen, strict=True)]) >= 0.9


def test_an_interrupted_training_resumes_with_the_same_result(toy: _Toy, tmp_path: Path) -> None:
    toy = _Toy(toy.cells, toy.maps, toy.recipe.but(steps_per_epoch=1, batch=2))
    whole = _trained(toy, tmp_path / "whole")

    class StopError(Exception):
        pass

    def stop(epoch: int, _loss: float) -> None:
        if epoch == 2:
            raise StopError

    job = kinds_job(toy.cells, toy.maps, toy.recipe, "data", lambda c: c.group == "g2")
    with pytest.raises(StopError):
        fit(job, tmp_path / "cut", "kinds-net", watch=stop)
    resumed = _trained(toy, tmp_path / "cut")
    for name, one in whole.state_dict().items():
        torch.testing.assert_close(one, resumed.state_dict()[name], msg=name)


def test_without_a_lymphocyte_there_is_nothing_to_train(toy: _Toy) -> None:
    with pytest.raises(UsageError, match="no lymphocyte is left to train on"):
        kinds_job(toy.cells, toy.maps, toy.recipe, "data", lambda c: c.kind == "lymphocyte")


def test_mixed_style_exchanges_statistics_and_keeps_the_pattern() -> None:
    torch.manual_seed(0)
    maps = torch.randn(6, 4, 9, 9) * torch.linspace(0.5, 3, 6).reshape(6, 1, 1, 1)
    mixed = mixed_style(maps)
    assert not torch.allclose(mixed, maps)
    for before, after in zip(maps.flatten(0, 1), mixed.flatten(0, 1), strict=True):
        both = torch.stack([before.flatten(), after.flatten()])
        assert float(torch.corrcoef(both)[0, 1]) == pytest.approx(1, abs=1e-3)
