"""A recipe is checked before anything is read, and a fault is named with its line."""

import pytest
from edge_all_export.data.splits import balanced_folds, matches
from edge_all_export.recipes.recipe import RECIPES, check, load_recipe, read_recipe
from edge_all_export.recipes.schema import OF_TASK, wanted_values

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
        ('task = "classifier"', "", "tiny.toml: 'task' is missing: it must be"),
        ('task = "classifier"', 'task = "poem"', "line 1: task is 'poem'"),
        ("[shares]", "[share]", "unknown key 'share'.*did you mean shares"),
    ],
)
def test_a_fault_is_named_with_its_line(tiny_recipe, old, new, says):
    path = tiny_recipe()
    path.write_text(path.read_text().lstrip().replace(old, new))
    with pytest.raises(UsageError, match=says):
        read_recipe(path)


def test_a_recipe_that_ends_inside_a_value(tiny_recipe):
    path = tiny_recipe()
    path.write_text('task = "classifier"\nseed = ')
    with pytest.raises(UsageError, match=r"tiny\.toml, line 2: the file ends inside a value: complete it"):
        read_recipe(path)


@pytest.mark.parametrize(
    ("name", "sha256"),
    [
        ("classifier", "531202078950cdb5fa5eec0c009390cac409d4fd28c16ca2cbd7e4a00bf1e828"),
        ("classifier-segmented", "1eaeeb557e79462182d3d11440cd10a03834ec1b881bc53049f01039b6168aa7"),
        ("detector", "11b56c37e2a030e86e062051eda1a489b232b4b045fd6e76ea182faec3edf861"),
        ("kinds", "9bdf876e32b90079d4aa9b6031f6fa7b5f269576652f4edada455f773cfa0636"),
    ],
)
def test_the_hashes_that_checkpoints_carry_stay_valid(name, sha256):
    """A change of a shipped recipe changes its line here, and its networks are trained again."""
    assert load_recipe(name).sha256 == sha256


def test_a_number_stays_as_it_is_written_because_the_hash_is_of_it(tiny_recipe):
    path = tiny_recipe()
    path.write_text(path.read_text().replace("rate = 3e-3", "rate = 1\nprobe_rounding = 10\nhead_rate = 2.0"))
    recipe = read_recipe(path)
    assert [repr(recipe[key]) for key in ("rate", "probe_rounding", "head_rate")] == ["1", "10", "2.0"]


@pytest.mark.parametrize("task", OF_TASK)
def test_each_key_describes_its_values_and_each_default_is_allowed(task):
    schema = OF_TASK[task]
    assert all(wanted_values(schema).values())
    shipped = load_recipe(task)
    required = [name for name, field in schema.model_fields.items() if field.is_required()]
    least = {name: shipped[name] for name in (*required, "data.sources")}
    filled = check(least, "least.toml", "")
    assert check(filled, "filled.toml", "") == filled
    assert filled.keys() == wanted_values(schema).keys()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("seed", v) for v in ("-1", "2.0", "true", '"3"', "2147483649")),
        *(("rate", v) for v in ("0", "nan", "inf", "true", "1.01")),
        *(("pretrained", v) for v in ("1", '"true"')),
        *(("cells", v) for v in ('"some"', "1")),
        *(("version", v) for v in ("1", "[]")),
        *(("background", v) for v in ("{ a = 0.5 }", "{ a = -1 }", "3")),
        *(("patience", v) for v in ("10001", "[1]")),
    ],
)
def test_a_value_that_is_not_allowed_is_named_with_its_line_and_what_it_must_be(tiny_recipe, key, value):
    path = tiny_recipe()
    lines = [line for line in path.read_text().lstrip().splitlines() if not line.startswith(f"{key} =")]
    path.write_text("\n".join([lines[0], f"{key} = {value}", *lines[1:]]))
    with pytest.raises(UsageError, match=rf"tiny\.toml, line 2: {key} = .*: it must be ") as caught:
        read_recipe(path)
    assert wanted_values(OF_TASK["classifier"])[key] in str(caught.value)


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
