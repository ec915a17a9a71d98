"""A recipe uses the sources that it lists, whatever else is in the data folder."""

import shutil

import pytest
from edge_all_export.models.checkpoint import load_checkpoint, recipe_of
from edge_all_export.models.contracts import CHECKPOINTS
from edge_all_export.recipes.recipe import read_recipe
from edge_all_export.training.datasets import data_of, data_sha256, sets_sha256

from edge_all.errors import UsageError

from .conftest import TINY


@pytest.fixture
def data(tmp_path, own_cells, monkeypatch):
    """A data folder with two sources of drawn cells, "own" and "more"."""
    root = tmp_path / "data"
    root.mkdir()
    own_cells.rename(root / "own")
    shutil.copytree(root / "own", root / "more")
    monkeypatch.setenv("EDGE_ALL_DATA", str(root))
    return root


@pytest.fixture
def recipe_with(tmp_path):
    """Writes a recipe with this line in place of its paths."""

    def write(line):
        path = tmp_path / "sources.toml"
        text = TINY.format(network="jetson-nano-cnn", epochs=1, patience=0, hold_out="[]", data="PATH")
        path.write_text(text.replace('paths = ["PATH"]', line))
        return path

    return write


def hash_of(root, *sources):
    data_sha256.cache_clear()
    return data_sha256(root, sources)


def test_a_new_folder_next_to_the_sources_changes_nothing(data, recipe_with):
    recipe = read_recipe(recipe_with('sources = ["own", "more"]'))
    before = sets_sha256(data_of(recipe))
    assert before == hash_of(data, "own", "more") == hash_of(data, "more", "own")
    shutil.copytree(data / "own", data / "another")
    (data / "notes").mkdir()
    (data / "a-broken-set").mkdir()
    (data / "a-broken-set" / "cells.csv").write_text("file,label,group\nnot-there.png")
    assert sets_sha256(data_of(recipe)) == hash_of(data, "own", "more") == before
    assert {part.root.name for part in data_of(recipe)} == {"own", "more"}
    assert hash_of(data, "own", "more", "another") != before
    assert hash_of(data, "own") != before


def test_a_changed_file_in_a_source_changes_the_hash_and_one_outside_does_not(data):
    before = hash_of(data, "own")
    with (data / "more" / "c0.png").open("ab") as file:
        file.write(b"x")
    assert hash_of(data, "own") == before
    with (data / "own" / "c0.png").open("ab") as file:
        file.write(b"x")
    changed = hash_of(data, "own")
    assert changed != before
    table = data / "own" / "cells.csv"
    table.write_text(table.read_text().replace("c1.png,blast", "c1.png,normal"))
    assert hash_of(data, "own") not in (before, changed)


def test_where_the_data_are_is_in_no_hash(data, tmp_path, recipe_with):
    before = hash_of(data, "own")
    moved = tmp_path / "moved"
    shutil.copytree(data, moved)
    assert hash_of(moved, "own") == before
    recipe = read_recipe(recipe_with('sources = ["own"]'))
    assert recipe.but(data__sources=["own", "more"]).sha256 == recipe.sha256
    assert recipe.but(data__sources=[], data__paths=[str(moved)]).sha256 == recipe.sha256


def test_recipe_paths_join_the_sources(data, tmp_path, recipe_with):
    elsewhere = tmp_path / "elsewhere"
    (data / "more").rename(elsewhere)
    recipe = read_recipe(recipe_with(f'sources = ["own"]\npaths = ["{elsewhere}"]'))
    assert [part.root for part in data_of(recipe)] == [data / "own", elsewhere]


def test_a_source_that_is_absent_is_named_in_one_line(edge_all, data, tmp_path, recipe_with):
    with pytest.raises(UsageError, match="has no folder pbc, which the recipe lists as a source"):
        hash_of(data, "own", "pbc")
    for call in (
        ("train", recipe_with('sources = ["own", "pbc"]'), "--out", tmp_path / "out"),
        ("evaluate", "--out", tmp_path / "evaluation"),
        ("compare", "--out", tmp_path / "comparison"),
    ):
        done = edge_all(*call)
        assert done.exit_code == 2
        assert len(done.stderr.splitlines()) == 1
        assert f"{data} has no folder" in done.stderr
        assert "pbc" in done.stderr
        assert "set EDGE_ALL_DATA to the folder that contains it" in done.stderr


def test_sources_without_a_data_folder(data, monkeypatch, recipe_with):
    monkeypatch.setenv("EDGE_ALL_DATA", str(data / "nowhere"))
    with pytest.raises(UsageError, match="no images to train on: set EDGE_ALL_DATA"):
        data_of(read_recipe(recipe_with('sources = ["own"]')))


def test_a_recipe_trains_on_its_sources(edge_all, data, tmp_path, recipe_with):
    shutil.rmtree(data / "more")
    (data / "another").mkdir()
    out = tmp_path / "out"
    done = edge_all("train", recipe_with('sources = ["own"]'), "--out", out)
    assert done.exit_code == 0, done.stderr
    assert load_checkpoint(out / "checkpoint.pt").data_sha256 == hash_of(data, "own")
    assert recipe_of(load_checkpoint(out / "checkpoint.pt"))["data.sources"] == ["own"]


@pytest.mark.parametrize(
    ("name", "sources"),
    [
        ("classifier-segmented", ["cnmc"]),
        ("detector", ["allidb1", "bccd", "draaslan", "pbc"]),
    ],
)
def test_a_checkpoint_from_before_recipes_listed_sources_has_those_of_its_groups(name, sources):
    checkpoint = load_checkpoint(CHECKPOINTS / f"{name}.pt")
    recipe = recipe_of(checkpoint)
    assert recipe["data.sources"] == sources
    assert recipe.but(seed=recipe["seed"]).sha256 == checkpoint.recipe_sha256
