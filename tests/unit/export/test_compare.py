"""edge-all compare: the same for all, resumed, and no loser that was still improving."""

import pytest
import torch
from edge_all_export.compare.cost import Cost, multiply_adds
from edge_all_export.compare.experiment import (
    Candidate,
    Result,
    candidates,
    read_results,
    still_improving,
    write_results,
)
from edge_all_export.compare.table import lines_of, verdict
from edge_all_export.models.registry import FAMILIES, find_classifier

COST = {"blast-net": Cost(1, 10_000_000, 1, 1, 1), "alexnet": Cost(1, 200_000_000, 1, 1, 1)}


def result(network, auroc, unconverged=False, fold="out-AC", cells="field"):
    return Result(network, False, cells, fold, 10, 8, auroc, auroc, 0.5, unconverged, "r", "d")


def test_the_jetson_nano_network_has_its_published_size():
    assert sum(p.numel() for p in find_classifier("jetson-nano-cnn").build(pretrained=False).parameters()) == 46_652


@pytest.mark.parametrize("name", sorted(FAMILIES["classifier"]))
def test_every_network_takes_a_crop_and_gives_two_answers(name):
    if name not in ("blast-net", "blast-net-textured", "blast-pair", "jetson-nano-cnn", "efficientnet-lite0"):
        pytest.importorskip("PIL")
    family = find_classifier(name)
    assert family.name == name
    network = family.build(pretrained=False).eval()
    with torch.no_grad():
        side = family.form.side
        assert network(torch.zeros(2, 3, side, side)).shape == (2, 2)


def test_ours_has_a_tenth_of_the_multiply_adds_of_lite0_at_its_published_size():
    published = 407e6  # EfficientNet-Lite0 at 224 x 224, from its makers
    assert multiply_adds(find_classifier("blast-net").build(pretrained=False)) < 0.1 * published


def test_a_network_still_improving_cannot_lose():
    rows = [result("blast-net", 0.9), result("alexnet", 0.6, unconverged=True)]
    said = verdict(lines_of(rows, COST))
    assert "undecided against alexnet, scratch" in said
    assert "leads" not in said
    said = verdict(lines_of([rows[0], result("alexnet", 0.6)], COST))
    assert "ours leads on mean AUROC, 0.900 against 0.600 of alexnet, scratch, at 0.05" in said
    assert "does not lead" in verdict(lines_of([rows[0], result("alexnet", 0.95)], COST))


def test_folds_are_averaged_with_their_spread():
    rows = [result("alexnet", 0.8), result("alexnet", 0.6, fold="out-BE"), result("blast-net", 0.9)]
    line = next(x for x in lines_of(rows, COST) if x.candidate.network == "alexnet")
    assert line.figures["auroc", "field"] == pytest.approx((0.7, 0.6, 0.8))


def test_results_are_kept_and_read_back(tmp_path):
    rows = [result("alexnet", 0.8), result("blast-net", 0.91, unconverged=True)]
    write_results(rows, tmp_path / "comparison.csv")
    assert read_results(tmp_path / "comparison.csv") == rows
    assert read_results(tmp_path / "none.csv") == []


def test_candidates():
    names = {(c.network, c.pretrained) for c in candidates()}
    assert ("efficientnet-lite0", True) in names
    assert ("efficientnet-lite0", False) in names
    assert ("blast-net", True) in names
    assert Candidate("resnet50", True) not in candidates()


def test_the_command_refuses_an_unknown_network(edge_all, tmp_path):
    done = edge_all("compare", "--networks", "blast-net,gpt", "--out", tmp_path)
    assert done.exit_code == 2
    assert "unknown network 'gpt'" in done.stderr


@pytest.mark.parametrize(
    ("losses", "improving"),
    [([], False), ([0.7], True), ([0.9, 0.7, 0.6, 0.5, 0.4, 0.3], True), ([0.9, 0.5, 0.4, 0.4, 0.399, 0.398], False),
     ([0.9, 0.7, 0.6, 0.45, 0.405, 0.4], True)],
)  # fmt: skip
def test_still_improving_looks_at_the_last_third(losses, improving):
    assert still_improving(losses) is improving
