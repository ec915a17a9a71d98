"""The last layer is solved first, and what differs between groups is no argument."""

import numpy as np
import pytest
import torch
from edge_all_export.classifier.cells import TrainingCell
from edge_all_export.classifier.crop_form import COARSE
from edge_all_export.classifier.network import BlastNet, standardised
from edge_all_export.classifier.probe import start_from_probe
from edge_all_export.classifier.samples import CellSampler, plain_view
from edge_all_export.classifier.training import logits_of
from edge_all_export.recipe import load_recipe

from .conftest import draw_cell


def cell(seed, blast, group, stain=1.0):
    import cv2

    image = cv2.resize(draw_cell(seed, blast), (COARSE.stored_side, COARSE.stored_side), interpolation=cv2.INTER_AREA)
    image = (235 * (image / 235.0) ** stain).clip(0, 255).astype(np.uint8)
    return TrainingCell("own", group, f"c{seed}", "blast" if blast else "normal", "", image, 24.0)


@pytest.fixture(scope="module")
def cells():
    """Two groups of each class; the second ones are stained darker."""
    found = []
    for k in range(48):
        blast, dark = k % 2 == 0, k % 4 >= 2
        found.append(cell(k, blast, f"{'b' if blast else 'n'}{int(dark)}", 1.5 if dark else 1.0))
    return found


def solved(cells, nuisance, **changes):
    torch.manual_seed(0)
    network = BlastNet(pretrained=False)
    changes = {"probe_rounding": 0.0, **changes}
    recipe = load_recipe("classifier").but(
        probe_batches=12, probe_nuisance=nuisance, shares={"*/blast": 1.0, "*/normal": 1.0}, **changes
    )
    start_from_probe(network, CellSampler(cells, recipe["shares"], 0), cells, recipe)
    return network


def test_the_solved_layer_tells_the_classes_apart(cells):
    network = solved(cells, 0.01)
    logits = logits_of(network, cells)[:, 0]
    blast = np.array([c.kind == "blast" for c in cells])
    assert logits[blast].min() > logits[~blast].max()


def test_a_nuisance_penalty_takes_out_what_differs_between_groups(cells):
    def spread(network):
        logits = logits_of(network, cells)[:, 0]
        means = [logits[[c.group == g for c in cells]].mean() for g in ("b0", "b1", "n0", "n1")]
        return (abs(means[0] - means[1]) + abs(means[2] - means[3])) / abs(means[0] - means[2])

    assert spread(solved(cells, 10.0)) < 0.7 * spread(solved(cells, 0.0))


def test_the_same_cells_give_the_same_layer(cells):
    first, second = solved(cells, 0.01), solved(cells, 0.01)
    assert torch.equal(first.head.weight, second.head.weight)
    assert torch.equal(first.feature_mean, second.feature_mean)


def test_colours_are_standardised_whatever_the_stain():
    """A darker and a redder picture of the same cell give nearly the same input to the first layer."""
    plain = plain_view(cell(1, True, "g"))
    dark = (235 * (plain / 235.0) ** 1.3).astype(np.uint8)
    red = np.clip(plain * np.array([1.1, 0.9, 0.95]), 0, 255).astype(np.uint8)

    def seen(image):
        x = standardised(torch.from_numpy(image).permute(2, 0, 1)[None].float())[0]
        return x[:, 20:60, 20:60]

    before = (torch.from_numpy(plain).float() - torch.from_numpy(dark).float()).abs().mean() / 64
    assert (seen(plain) - seen(dark)).abs().mean() < 0.5 * before
    assert (seen(plain) - seen(red)).abs().mean() < 0.15
    assert seen(plain).abs().max() <= 2


def test_an_empty_picture_gives_no_noise():
    noise = np.random.default_rng(0).normal(235, 2, (80, 80, 3)).clip(0, 255).astype(np.uint8)
    x = standardised(torch.from_numpy(noise).permute(2, 0, 1)[None].float())
    assert torch.isfinite(x).all()
    assert x.std() < 0.7
