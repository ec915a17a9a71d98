"""Training: resumed it comes to the same, it stops early, it names what it has not seen, it refuses what it must."""

import json

import pytest
import torch
from edge_all_export.models.checkpoint import load_checkpoint
from edge_all_export.recipes.recipe import read_recipe
from edge_all_export.training.classifier import classifier_job
from edge_all_export.training.datasets import classifier_cells, data_of
from edge_all_export.training.loop import RESUME, fit

from edge_all.errors import EdgeAllError, UsageError


class KilledError(Exception):
    pass


def job_of(path):
    recipe = read_recipe(path)
    return classifier_job(classifier_cells(data_of(recipe), recipe), recipe, "data")


def test_resumed_after_a_kill_the_result_is_the_same(tiny_recipe, tmp_path, logged):
    path = tiny_recipe()
    whole = fit(job_of(path), tmp_path / "whole", "jetson-nano-cnn")

    def kill(epoch, _loss):
        if epoch == 2:
            raise KilledError

    with pytest.raises(KilledError):
        fit(job_of(path), tmp_path / "cut", "jetson-nano-cnn", watch=kill)
    logged.clear()
    again = fit(job_of(path), tmp_path / "cut", "jetson-nano-cnn")
    assert "resuming after epoch 1 of 3" in logged.messages[0]
    assert again.weights.keys() == whole.weights.keys()
    for name, weight in whole.weights.items():
        assert torch.equal(weight, again.weights[name]), name


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_few_steps_are_enough(tiny_recipe, tmp_path, steps):
    path = tiny_recipe(epochs=1)
    path.write_text(path.read_text().replace("steps_per_epoch = 4", f"steps_per_epoch = {steps}"))
    assert fit(job_of(path), tmp_path / "short", "jetson-nano-cnn").epochs == 1


def test_the_seed_decides(tiny_recipe, tmp_path):
    path = tiny_recipe(epochs=1)
    first = fit(job_of(path), tmp_path / "a", "jetson-nano-cnn")
    path.write_text(path.read_text().replace("seed = 3", "seed = 4"))
    other = fit(job_of(path), tmp_path / "b", "jetson-nano-cnn")
    assert any(not torch.equal(w, other.weights[n]) for n, w in first.weights.items())


def test_the_command_trains_and_names_the_unseen_groups(edge_all, tiny_recipe, tmp_path):
    out = tmp_path / "out"
    done = edge_all("train", tiny_recipe(epochs=1), "--out", out)
    assert done.exit_code == 0, done.stderr
    made = load_checkpoint(out / "checkpoint.pt")
    assert made.unseen_groups == ("own/patient0", "own/patient3")
    assert set(made.seen_groups) == {f"own/patient{n}" for n in (1, 2, 4, 5)}
    assert list((out / "log").glob("events.out.tfevents.*"))
    assert "own/patient0, own/patient3" in done.stdout
    # The same command again has nothing left to do and changes nothing.
    before = (out / "checkpoint.pt").read_bytes()
    assert edge_all("train", tiny_recipe(epochs=1), "--out", out).exit_code == 0
    assert load_checkpoint(out / "checkpoint.pt").epochs == 1
    assert len(before) == (out / "checkpoint.pt").stat().st_size


def test_it_stops_early_on_groups_held_out(tiny_recipe, tmp_path, logged):
    path = tiny_recipe(epochs=40, patience=1, hold_out='["own/patient1", "own/patient4"]')
    made = fit(job_of(path), tmp_path / "out", "jetson-nano-cnn")
    assert "stopped" in logged.messages[-1]
    assert len(made.scores) < 40
    assert made.scores[made.epochs - 1] == max(made.scores)
    assert "own/patient1" not in made.seen_groups


def test_early_stop_without_both_classes_held_out_is_refused(tiny_recipe):
    with pytest.raises(UsageError, match="early stopping needs blast and normal cells"):
        job_of(tiny_recipe(patience=2, hold_out='["own/patient1"]'))


def test_a_class_of_one_group_that_is_left_out_is_explained(tiny_recipe, own_cells):
    table = own_cells / "cells.csv"
    table.write_text(table.read_text().replace("patient1,", "patient0,").replace("patient2,", "patient0,"))
    with pytest.raises(UsageError, match=r"from one group, .*: no honest split is possible"):
        job_of(tiny_recipe())


def test_a_split_by_image_needs_its_right_name(edge_all, tiny_recipe, tmp_path):
    path = tiny_recipe(epochs=1)
    path.write_text(path.read_text().replace("[shares]", 'split = "image"\n\n[shares]').replace(
        'leave_out = ["own/patient0", "own/patient3"]\n', ""))  # fmt: skip
    refused = edge_all("train", path, "--out", tmp_path / "out")
    assert refused.exit_code == 2
    assert "both sides" in refused.stderr
    assert not (tmp_path / "out").exists()
    assert edge_all("train", path, "--out", tmp_path / "out", "--leaky").exit_code == 0
    page = tmp_path / "page"
    done = edge_all("evaluate", tmp_path / "out", "--data", path.parent / "own", "--out", page, "--no-smears")
    assert done.exit_code == 0, done.stderr
    assert "LEAKY" in json.loads((page / "evaluation.json").read_text())["title"]
    assert "<h1>LEAKY" in (page / "evaluation.html").read_text()


def test_a_resume_of_another_recipe_is_refused(tiny_recipe, tmp_path):
    fit(job_of(tiny_recipe(epochs=1)), tmp_path / "out", "jetson-nano-cnn")
    with pytest.raises(EdgeAllError, match="belongs to another recipe"):
        fit(job_of(tiny_recipe(epochs=2)), tmp_path / "out", "jetson-nano-cnn")


def test_a_loss_that_is_not_a_number_is_an_error_with_a_remedy(tiny_recipe, tmp_path):
    job = job_of(tiny_recipe(epochs=1))
    job.loss = lambda net, _: sum(p.sum() for p in net.parameters()) * float("nan")
    with pytest.raises(EdgeAllError, match=r"no longer a number.*lower 'rate'"):
        fit(job, tmp_path / "out", "jetson-nano-cnn")
    assert not (tmp_path / "out" / "checkpoint.pt").exists()


def test_a_disk_without_space_leaves_no_half_checkpoint(tiny_recipe, tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(EdgeAllError, match=r"cannot write .*No space left.*free space"):
        fit(job_of(tiny_recipe(epochs=1)), tmp_path / "out", "jetson-nano-cnn")
    assert not [
        p for p in (tmp_path / "out").iterdir() if p.name in ("checkpoint.pt", RESUME) or p.name.startswith(".")
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"rubbish", "is not a checkpoint"), (b"", "is not a checkpoint"), (None, "does not exist")],
)
def test_a_file_that_is_not_a_checkpoint(tmp_path, content, says):
    path = tmp_path / "c.pt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=says):
        load_checkpoint(path)


def test_weights_of_another_architecture_are_refused(edge_all, tiny_recipe, tmp_path, own_cells):
    out = tmp_path / "out"
    fit(job_of(tiny_recipe(epochs=1)), out, "alexnet")  # names another architecture than its weights have
    done = edge_all("evaluate", out / "checkpoint.pt", "--data", own_cells, "--out", tmp_path / "page")
    assert done.exit_code in (1, 2)
    assert "do not fit the network alexnet" in done.stderr


def test_damaged_images_are_skipped_by_name(edge_all, tiny_recipe, own_cells, tmp_path):
    (own_cells / "c7.png").write_bytes(b"no picture")
    done = edge_all("train", tiny_recipe(epochs=1), "--out", tmp_path / "out")
    assert done.exit_code == 0
    assert "skipped:" in done.stdout
    assert "c7.png" in done.stdout
