"""A recipe is checked before anything is read, and a fault is named with its line."""

import pytest
from edge_all_export.data.splits import balanced_folds, matches
from edge_all_export.recipes.recipe import RECIPES, load_recipe, read_recipe

from edge_all.errors import UsageError


@pytest.mark.parametrize("name", ["classifier", "classifier-segmented", "detector"])
def test_the_shipped_recipes_are_valid_and_list_their_sources(name):
    recipe = load_recipe(name)
    assert name.startswith(recipe["task"])
    assert recipe["data.sources"] == ["allidb1", "bccd", "cnmc", "draaslan", "pbc"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("rate = 3e-3", "rate = 3e-3\nlearning_rat = 1", "line 10: unknown key 'learning_rat'"),
        ("batch = 8", "batch = 0", r"line 8: batch = 0.*an integer from 1"),
        ("epochs = 3", "epochs = true", "line 6: epochs = True"),
        ("seed = 3", "", "the key 'seed' is missing"),
        ("paths =", "# paths =", "tiny.toml: the key 'data.sources' is missing: it must be a list of folder names"),
        ("paths =", 'sources = ["../own"]\n#', r"line 15: data.sources = \['../own'\].*folder names"),
        ("rate = 3e-3", "rate = ", "is not valid TOML"),
        ('task = "classifier"', 'task = "poem"', "line 1: task is 'poem'"),
        ("[shares]", "[share]", "unknown key 'share'.*did you mean shares"),
    ],
)
def test_a_fault_is_named_with_its_line(tiny_recipe, old, new, says):
    path = tiny_recipe()
    path.write_text(path.read_text().lstrip().replace(old, new))
    with pytest.raises(UsageError, match=says):
        read_recipe(path)


def test_a_recipe_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="cannot read the recipe"):
        read_recipe(tmp_path / "none.toml")


def test_the_hash_follows_the_content_alone(tmp_path):
    text = (RECIPES / "classifier.toml").read_text()
    other = tmp_path / "classifier.toml"
    other.write_text("# another remark\n" + text)
    assert read_recipe(other).sha256 == load_recipe("classifier").sha256
    assert load_recipe("classifier").but(seed=9).sha256 != load_recipe("classifier").sha256


def test_a_joint_group_is_named_by_each_member():
    assert matches("cnmc/20", "cnmc", "20+21")
    assert matches("cnmc", "cnmc", "20+21")
    assert not matches("cnmc/2", "cnmc", "20+21")
    assert not matches("pbc/20", "cnmc", "20+21")


def test_folds_hold_every_group_once_and_both_classes_evenly():
    groups = {f"a{i}": ("blast", 10 + i) for i in range(12)} | {f"n{i}": ("normal", 5) for i in range(7)}
    folds = balanced_folds(groups, 5)
    assert sorted(g for f in folds for g in f) == sorted(groups)
    for fold in folds:
        assert 2 <= sum(g.startswith("a") for g in fold) <= 3
        assert 1 <= sum(g.startswith("n") for g in fold) <= 2


def test_no_folds_from_a_class_of_one_group():
    with pytest.raises(UsageError, match="no honest split is possible"):
        balanced_folds({"a": ("blast", 1), "n1": ("normal", 1), "n2": ("normal", 1)}, 2)
