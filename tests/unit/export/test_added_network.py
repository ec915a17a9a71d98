"""A network that only this test adds, one file and one entry, through training, export and comparison."""

import ast
import csv
import sys
from pathlib import Path

import onnx
import pytest
from edge_all_export.models.base import ModelFamily
from edge_all_export.models.checkpoint import load_checkpoint
from edge_all_export.models.contracts import CHECKPOINTS
from edge_all_export.models.registry import FAMILIES, family_of, find_classifier, find_family
from edge_all_export.onnx_export.contracts import contract_of
from edge_all_export.onnx_export.inspect import layer_precision
from edge_all_export.onnx_export.pipeline import ExportInputs, export
from edge_all_export.onnx_export.quantization.static import CalibrationSet
from edge_all_export.release import out_of_fold

from edge_all.inference.loader import load_file

from .conftest import draw_cell

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "export" / "edge_all_export"
NAME = "three-convolutions"
NETWORK = '''
"""Three convolutions and a linear layer."""

from torch import nn

from edge_all_export.models.classifier.family import ClassifierFamily

LOSSES = []


class ThreeConvolutions(nn.Module):
    def __init__(self, dropout):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 5, 4)
        self.second = nn.Conv2d(8, 16, 3, 2)
        self.third = nn.Conv2d(16, 16, 3, 2)
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(16, 2)

    def forward(self, image):
        x = nn.functional.relu6(self.first(image / 127.5 - 1.0))
        x = nn.functional.relu6(self.third(nn.functional.relu6(self.second(x))))
        return self.head(self.drop(x.mean((2, 3))))


class ThreeConvolutionsFamily(ClassifierFamily):
    def loss(self, network, batch, smoothing):
        value = super().loss(network, batch, smoothing)
        LOSSES.append(float(value.detach()))
        return value


FAMILY = ThreeConvolutionsFamily(
    "three-convolutions",
    "a test",
    lambda pretrained, dropout: ThreeConvolutions(dropout),
    float_beginning={"int8-cpu": 1, "int8-trt": 2},
)
'''


@pytest.fixture
def network_file(tmp_path, monkeypatch):
    """Adds the network; its entry is the only change to the program."""
    (tmp_path / "three_convolutions.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(FAMILIES["classifier"], NAME, "three_convolutions:FAMILY")
    yield tmp_path / "three_convolutions.py"
    sys.modules.pop("three_convolutions", None)


@pytest.fixture
def trained(network_file, edge_all, tiny_recipe, tmp_path):
    assert network_file.is_file()
    done = edge_all("train", tiny_recipe(network=NAME, epochs=1), "--out", tmp_path / "run")
    assert done.exit_code == 0, done.stderr
    return tmp_path / "run" / "checkpoint.pt"


def test_it_is_trained_by_its_own_loss(trained):
    assert load_checkpoint(trained).architecture == NAME
    assert len(sys.modules["three_convolutions"].LOSSES) == 4


def test_it_is_evaluated_and_exported_and_a_device_loads_it(trained, edge_all, own_cells, tmp_path):
    done = edge_all("evaluate", trained, "--data", own_cells, "--out", tmp_path / "page", "--no-smears")
    assert done.exit_code == 0, done.stderr
    done = edge_all("export", trained, "--out", tmp_path / "models")
    assert done.exit_code == 0, done.stderr
    engine = load_file(tmp_path / "models" / "classifier" / "float.onnx", "classifier")
    assert engine.contract.name == NAME
    assert NAME in edge_all("inspect", trained).stdout


def test_its_own_choice_of_layers_stays_in_float(trained, tmp_path):
    crops = [draw_cell(k, k % 2 == 0, side=80) for k in range(120)]
    calibration = CalibrationSet(crops, [f"own/patient{k % 4}" for k in range(120)], ())
    checkpoint = load_checkpoint(trained)
    inputs = ExportInputs(checkpoint, [checkpoint], [calibration], calibration, lambda _: [], lambda c: c)
    export(checkpoint, inputs, tmp_path / "models")
    kinds = {}
    for precision in ("int8-cpu", "int8-trt"):
        model = onnx.load(tmp_path / "models" / "classifier" / f"{precision}.onnx")
        found = layer_precision(model)
        kinds[precision] = [found[n.name] == "int8" for n in model.graph.node if n.op_type == "Conv"]
    assert kinds == {"int8-cpu": [False, True, True], "int8-trt": [False, False, True]}


@pytest.mark.usefixtures("network_file")
def test_it_is_compared(edge_all, own_cells, tmp_path, monkeypatch):
    from edge_all_export.recipes import recipe

    load = recipe.load_recipe
    monkeypatch.setattr(recipe, "load_recipe", lambda name: load(name).but(simulator__seeds=[0, 0]))
    out_of = lambda source, group: source == "own" and group in ("patient0", "patient3")  # noqa: E731
    monkeypatch.setitem(out_of_fold.CLASSIFIER_FOLDS, "out-AC", out_of)
    done = edge_all(
        "compare", "--networks", f"{NAME},jetson-nano-cnn", "--data", own_cells, "--out", tmp_path / "compared",
        "--folds", 1, "--epochs", 1, "--steps", 4, "--threads", 1,
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    with (tmp_path / "compared" / "comparison.csv").open(newline="") as file:
        rows = {r["network"]: r for r in csv.DictReader(file)}
    assert rows.keys() == {NAME, "jetson-nano-cnn"}
    assert 0 <= float(rows[NAME]["auroc"]) <= 1
    assert NAME in (tmp_path / "compared" / "comparison.html").read_text()


@pytest.mark.usefixtures("network_file")
def test_an_unknown_network_lists_it(edge_all, tiny_recipe, tmp_path):
    done = edge_all("train", tiny_recipe(network="four-convolutions"), "--out", tmp_path / "run")
    assert done.exit_code == 2
    assert "unknown network 'four-convolutions'" in done.stderr
    assert NAME in done.stderr


@pytest.mark.parametrize(("task", "name"), [(task, name) for task, names in FAMILIES.items() for name in names])
def test_every_entry_is_a_family_of_its_name(task, name):
    family: ModelFamily = find_family(task, name)
    assert family.name == name
    assert family.task == ("classifier" if task == "kinds" else task)


def test_one_network_is_the_proposed_one():
    assert [n for n in FAMILIES["classifier"] if find_classifier(n).proposed] == ["blast-net"]


def test_no_other_file_knows_a_network():
    """Training, export, comparison, evaluation and release neither name nor import one."""
    names = {name for of_task in FAMILIES.values() for name in of_task}
    modules = {entry.partition(":")[0] for of_task in FAMILIES.values() for entry in of_task.values()}
    found = []
    for folder in ("cli", "compare", "data", "evaluate", "onnx_export", "release", "training"):
        for path in sorted((PACKAGE / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                named = isinstance(node, ast.Constant) and node.value in names
                imported = isinstance(node, ast.ImportFrom) and node.module in modules
                if isinstance(node, (ast.Constant, ast.ImportFrom)) and (named or imported):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not found


@pytest.mark.parametrize("folder", ["classifier", "classifier-segmented", "detector"])
def test_the_family_of_a_shipped_checkpoint_makes_the_contract_of_its_file(folder):
    shipped = onnx.load(ROOT / "edge_all" / "models" / folder / "float.onnx")
    checkpoint = load_checkpoint(CHECKPOINTS / f"{'kinds' if folder == 'classifier' else folder}.pt")
    made = family_of(checkpoint).contract(checkpoint)
    contract = contract_of(shipped, made.task)
    for field in ("name", "version", "um_per_px", "input_px", "outputs", "window", "training_data", "unseen_groups"):
        assert getattr(made, field) == getattr(contract, field), field
    assert made.thresholds == pytest.approx(contract.thresholds)
