"""A trunk and a last layer made for INT8."""

import copy

import pytest
import torch
from edge_all_export.data.classifier_samples import plain_view
from edge_all_export.models.classifier.network import BlastNet, standardized, turned_and_mirrored
from edge_all_export.models.fake_quant import FakeQuantize, fake_quantized_weight, rounded
from edge_all_export.training.equalization import equalize
from torch import nn

from .test_probe import cells, solved  # noqa: F401


@pytest.fixture
def network():
    """With channels of ranges that differ a hundredfold, as trained networks have them."""
    torch.manual_seed(0)
    made = BlastNet(pretrained=False).eval()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data = torch.logspace(-1.5, 0.5, len(module.weight))
            module.bias.data = 0.1 * torch.randn(len(module.bias))
    return made


@pytest.fixture
def images():
    torch.manual_seed(1)
    return torch.rand(8, 3, 80, 80) * 200 + 30


@torch.no_grad()
def test_equal_ranges_change_outputs_by_one_factor_a_channel_only(network, images):
    x = standardized(images)
    before = network.trunk(x)
    equalize(network.trunk, x)
    after = network.trunk(x)
    for a, b in zip(before, after, strict=True):
        factor = (b * a).sum((0, 2, 3)) / (a * a).sum((0, 2, 3)).clamp(min=1e-20)
        assert torch.allclose(b, a * factor.reshape(1, -1, 1, 1), atol=2e-4)


@torch.no_grad()
def test_equal_ranges_lose_less_to_rounding(network, images):
    def lost(net):
        plain = net.features(images)
        coarse_net = copy.deepcopy(net)
        rounded(coarse_net, images)
        coarse = coarse_net.features(images)
        return float(((coarse - plain) / (plain.std(0) + 1e-6)).abs().mean())

    before = lost(network)
    equalize(network.trunk, standardized(images))
    assert lost(network) < 0.7 * before


def test_rounded_weights_stay_as_they_are():
    weight = torch.randn(16, 8, 3, 3)
    once = fake_quantized_weight(weight)
    assert 0 < float((once - weight).abs().max()) < float(weight.abs().max()) / 127
    assert torch.allclose(fake_quantized_weight(once), once, atol=1e-7)


def test_a_rounding_point_does_nothing_until_it_has_a_range():
    point, x = FakeQuantize(), torch.linspace(-1, 1, 1001)
    assert point(x) is x
    rounded(nn.Sequential(point), x.reshape(1, 1, 1, -1))
    assert len(point(x).unique()) <= 256
    assert float((point(x) - x).abs().max()) <= 2 / 255


@torch.no_grad()
def test_the_last_layer_uses_what_survives_int8(cells):  # noqa: F811
    def answers_to_rounding(factor):
        network = solved(cells, 0.0, probe_rounding=factor)
        images = torch.stack([torch.from_numpy(plain_view(c)) for c in cells]).permute(0, 3, 1, 2).float()
        change = rounded(copy.deepcopy(network), images)(images) - network(images)
        return float(change[:, 0].std())

    assert answers_to_rounding(30.0) < 0.6 * answers_to_rounding(1e-6)


@torch.no_grad()
def test_eight_views_make_the_answer_independent_of_a_cells_orientation(images):
    torch.manual_seed(0)
    network = BlastNet(pretrained=False, textured=True).eval()
    right = network(images)
    assert len({v.numpy().tobytes() for v in turned_and_mirrored(images[:1])}) == 8
    for view in turned_and_mirrored(images):
        assert torch.allclose(network(view), right, atol=1e-5)
