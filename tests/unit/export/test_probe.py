"""The last layer is solved first, and differences between groups do not count."""

import numpy as np
import pytest
import torch
from edge_all_export.data.cells import TrainingCell
from edge_all_export.data.classifier_samples import CellSampler, plain_view
from edge_all_export.data.crop_form import COARSE
from edge_all_export.models.classifier.losses import pixels_of
from edge_all_export.models.classifier.network import BlastNet, DeployedBlastNet, means_and_dark_means, standardized
from edge_all_export.recipes.recipe import load_recipe
from edge_all_export.training.classifier import logits_of
from edge_all_export.training.feature_session import session_of_features
from edge_all_export.training.probe import start_from_probe

from .conftest import draw_cell


def cell(seed, blast, group, stain=1.0, source="own"):
    import cv2

    image = cv2.resize(draw_cell(seed, blast), (COARSE.stored_side, COARSE.stored_side), interpolation=cv2.INTER_AREA)
    image = (235 * (image / 235.0) ** stain).clip(0, 255).astype(np.uint8)
    return TrainingCell(source, group, f"c{seed}", "blast" if blast else "normal", "", image, 24.0)


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


def test_the_solved_layer_separates_the_classes(cells):
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


def test_a_penalty_takes_out_what_differs_between_sources_of_one_class():
    """Groups cannot reveal it because each source is one group."""
    made = []
    for k in range(48):
        blast, dark = k % 2 == 0, k % 4 >= 2
        source = "second" if dark else "first"
        made.append(cell(k, blast, "one", 1.5 if dark else 1.0, source))

    def spread(network):
        logits = logits_of(network, made)[:, 0]
        mean = {
            (s, k): logits[[c.source == s and c.kind == k for c in made]].mean()
            for s in ("first", "second")
            for k in ("blast", "normal")
        }
        apart = sum(abs(mean["first", k] - mean["second", k]) for k in ("blast", "normal"))
        return apart / abs(mean["first", "blast"] - mean["first", "normal"])

    assert spread(solved(made, 0.0, probe_sources=10.0)) < 0.7 * spread(solved(made, 0.0))


def test_onnx_runtime_gives_the_features_that_pytorch_gives(cells):
    network = BlastNet(pretrained=False).eval()
    image = pixels_of(torch.from_numpy(np.stack([plain_view(c) for c in cells[:3]])))
    with torch.no_grad():
        wanted = network.features(image)
    found = torch.from_numpy(session_of_features(network).run(None, {"image": image.contiguous().numpy()})[0])
    assert torch.allclose(found, wanted, atol=1e-4)


def both_means(maps, dark):
    """Plain means and those over the dark pixels, of all maps, N x C each."""
    return means_and_dark_means(maps, dark, dark.sum((1, 2, 3)).reshape(-1, 1, 1)).chunk(2, 1)


def test_the_means_over_dark_pixels_ignore_the_surroundings():
    torch.manual_seed(0)
    dark = torch.zeros(2, 1, 40, 40)
    dark[0, :, 16:24, 16:24] = 1.0
    maps = [torch.rand(2, 5, 20, 20), torch.rand(2, 3, 10, 10)]
    plain, where_dark = both_means(maps, dark)
    assert torch.allclose(plain, torch.cat([m.mean((2, 3)) for m in maps], 1), atol=1e-6)
    inside = torch.cat([maps[0][:1, :, 8:12, 8:12].mean((2, 3)), maps[1][:1, :, 4:6, 4:6].mean((2, 3))], 1)
    assert torch.allclose(where_dark[:1], inside, rtol=0.02)
    assert torch.equal(where_dark[1:], torch.zeros(1, 8)), "without a dark pixel there is none"
    others = [9.0 * torch.rand_like(m) for m in maps]
    others[0][:1, :, 8:12, 8:12] = maps[0][:1, :, 8:12, 8:12]
    others[1][:1, :, 4:6, 4:6] = maps[1][:1, :, 4:6, 4:6]
    assert torch.allclose(both_means(others, dark)[1][:1], where_dark[:1], atol=1e-6)


def test_the_deployed_network_gives_the_calibrated_output_of_the_network():
    torch.manual_seed(0)
    network = BlastNet(False).eval()
    network.feature_mean.uniform_(-1, 1)
    network.feature_scale.uniform_(0.5, 2)
    image = torch.randint(0, 256, (3, 80, 80, 3), dtype=torch.uint8)
    with torch.no_grad():
        logits = network(image.float().permute(0, 3, 1, 2))
        blast, unfamiliar = DeployedBlastNet(network, 1.7, -0.4)(image)
    assert torch.allclose(blast, torch.sigmoid(1.7 * logits[:, 0] - 0.4), atol=1e-6)
    assert torch.allclose(unfamiliar, torch.sigmoid(logits[:, 1]), atol=1e-6)
    assert float(logits.std()) > 0.01


def test_the_same_cells_give_the_same_layer(cells):
    first, second = solved(cells, 0.01), solved(cells, 0.01)
    assert torch.equal(first.head.weight, second.head.weight)
    assert torch.equal(first.feature_mean, second.feature_mean)


def test_colors_are_standardized_whatever_the_stain():
    """A darker and a redder picture of the same cell give nearly the same input to the first layer."""
    plain = plain_view(cell(1, True, "g"))
    dark = (235 * (plain / 235.0) ** 1.3).astype(np.uint8)
    red = np.clip(plain * np.array([1.1, 0.9, 0.95]), 0, 255).astype(np.uint8)

    def seen(image):
        x = standardized(torch.from_numpy(image).permute(2, 0, 1)[None].float())[0]
        return x[:, 20:60, 20:60]

    before = (torch.from_numpy(plain).float() - torch.from_numpy(dark).float()).abs().mean() / 64
    assert (seen(plain) - seen(dark)).abs().mean() < 0.5 * before
    assert (seen(plain) - seen(red)).abs().mean() < 0.15
    assert seen(plain).abs().max() <= 2


def test_an_empty_picture_gives_no_noise():
    noise = np.random.default_rng(0).normal(235, 2, (80, 80, 3)).clip(0, 255).astype(np.uint8)
    x = standardized(torch.from_numpy(noise).permute(2, 0, 1)[None].float())
    assert torch.isfinite(x).all()
    assert x.std() < 0.7
