"""The pair that classifies cells cut out of their surroundings: one answer of two networks, on crops twice as fine."""

import cv2
import numpy as np
import pytest
import torch
from edge_all_export.data.cells import TrainingCell, segmented_cell
from edge_all_export.data.classifier_samples import CellSampler, plain_view
from edge_all_export.data.crop_form import COARSE, FINE
from edge_all_export.data.dataset import CellFile
from edge_all_export.models.classifier.network import BlastNet
from edge_all_export.models.classifier.pair import BLAST_PAIR, BlastPair, with_untouched_trunk, without_untouched_trunk
from edge_all_export.recipes.recipe import load_recipe
from edge_all_export.training.classifier import into_training, logits_of, trained_parameters
from edge_all_export.training.frozen_trunk import logistic, solve_last_layer

from .conftest import draw_cell, write_image


@pytest.fixture(scope="module")
def pair():
    torch.manual_seed(0)
    return BlastPair(pretrained=False).eval()


def cell(seed, blast):
    side = FINE.stored_side
    image = np.asarray(cv2.resize(draw_cell(seed, blast), (side, side), interpolation=cv2.INTER_AREA), np.uint8)
    kind = "blast" if blast else "normal"
    return TrainingCell("own", f"p{seed % 4}", f"c{seed}", kind, "", image, 48.0, True, FINE)


def test_fine_crops_show_the_same_place_as_coarse_ones(tmp_path):
    image = draw_cell(1, True, side=320, background=0)
    file = CellFile(write_image(tmp_path / "c.png", image), "blast", "p", "own")
    views = [plain_view(segmented_cell(file, 0.07, (1.0, 1.0, 1.0), form)) for form in (FINE, COARSE)]
    assert [v.shape for v in views] == [(160, 160, 3), (80, 80, 3)]
    halved = views[0].astype(np.float32).reshape(80, 2, 80, 2, 3).mean((1, 3))
    assert np.abs(halved - views[1]).mean() < 2


def test_both_networks_contribute_and_only_the_tuned_one_is_trained(pair):
    image = torch.rand(3, 3, 160, 160) * 200
    with torch.no_grad():
        pair.untouched.head.weight.normal_(0, 0.1)
        together, untouched = pair(image), pair.untouched_logit(image)
        tuned = pair.tuned(torch.nn.functional.avg_pool2d(image, 2))
    assert torch.allclose(together[:, :1], 0.6 * tuned[:, :1] + 0.4 * untouched, atol=1e-5)
    assert torch.equal(together[:, 1], tuned[:, 1])
    part = BLAST_PAIR.trained_part(pair)
    trained = {
        id(p) for group in trained_parameters(part, load_recipe("classifier-segmented")) for p in group["params"]
    }
    assert trained == {id(p) for p in pair.tuned.parameters()}
    pair.tuned.drop.p = 0.0
    into_training(pair)
    assert torch.equal(pair(image), pair.tuned(torch.nn.functional.avg_pool2d(image, 2)))
    pair.eval()


def test_the_untouched_layer_separates_the_classes_and_leaves_the_trunk_alone(pair):
    cells = [cell(k, k % 2 == 0) for k in range(24)]
    before = {k: v.clone() for k, v in pair.state_dict().items() if "trunk" in k}
    solve_last_layer(BLAST_PAIR.solved_part(pair), cells, 1e-3, 0.04)
    with torch.no_grad():
        views = np.stack([plain_view(c) for c in cells])
        logit = pair.untouched_logit(torch.from_numpy(views).permute(0, 3, 1, 2).float())[:, 0].numpy()
    blast = np.array([c.kind == "blast" for c in cells])
    assert logit[blast].min() > logit[~blast].max()
    assert all(torch.equal(v, pair.state_dict()[k]) for k, v in before.items())


def test_views_for_training_have_the_form_of_their_cells():
    sampler = CellSampler([cell(k, k % 2 == 0) for k in range(8)], {"*/blast": 1.0, "*/normal": 1.0}, 0)
    sampler.begin_epoch(0, 0)
    assert sampler.batch(4)[0].shape == (4, 160, 160, 3)
    assert logits_of(BlastPair(pretrained=False), [cell(1, True)]).shape == (1, 2)


def test_logistic_regression_is_that_of_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 5))
    y = (x @ [1, -2, 0.5, 0, 0] + rng.normal(size=200) > 0).astype(float)
    weight = np.full(200, 1 / 200)
    found = logistic(torch.tensor(x), torch.tensor(y), torch.tensor(weight), 0.01)
    wanted = LogisticRegression(C=1 / (2 * 0.01 * 200), tol=1e-10, max_iter=1000).fit(x, y)
    assert found[:-1].numpy() == pytest.approx(wanted.coef_[0], abs=1e-4)
    assert float(found[-1]) == pytest.approx(float(wanted.intercept_[0]), abs=1e-4)


def test_the_eight_views_of_a_textured_network_may_be_fewer():
    torch.manual_seed(1)
    network = BlastNet(pretrained=False, textured=True, views=(0, 5)).eval()
    image = torch.rand(1, 3, 80, 80) * 200
    with torch.no_grad():
        turned = torch.rot90(image, 1, (2, 3))
        mean = (network.features(image) + network.features(turned)) / 2
        assert torch.allclose(network.viewed_features(image), mean, atol=1e-4)


def test_a_fold_omits_the_untouched_trunk_and_is_complete_when_read():
    pair = BlastPair(pretrained=True).eval()
    lean = without_untouched_trunk(pair.state_dict())
    assert len(lean) < 0.7 * len(pair.state_dict())
    whole = with_untouched_trunk(lean)
    assert whole.keys() == pair.state_dict().keys()
    assert all(torch.equal(v, pair.state_dict()[k]) for k, v in whole.items())
    assert with_untouched_trunk(whole).keys() == whole.keys()
