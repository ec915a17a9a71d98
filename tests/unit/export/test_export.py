"""edge-all export: files whole or not at all, the gate's order, bytes that repeat, and the shipped files."""

import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from edge_all_export.models.checkpoint import Checkpoint, load_checkpoint
from edge_all_export.models.contracts import CHECKPOINTS
from edge_all_export.models.onnx_session import run_model, to_bytes
from edge_all_export.models.registry import find_classifier
from edge_all_export.onnx_export import pipeline as exporting
from edge_all_export.onnx_export.accuracy_gate import Check
from edge_all_export.onnx_export.model_card import known_limits
from edge_all_export.onnx_export.pipeline import ExportInputs, export
from edge_all_export.onnx_export.quantization.static import CalibrationSet, unfit_for_tensorrt
from edge_all_export.onnx_export.to_onnx import float_model
from edge_all_export.recipes.recipe import load_recipe
from onnx import numpy_helper

from edge_all.errors import EdgeAllError
from edge_all.inference.contract import FEATURES_OUTPUT, METADATA_KEY, SELF_CHECK_KEY
from edge_all.inference.onnx_file import read_model_file
from edge_all.modelstore.cards import model_facts
from edge_all.modelstore.shipped import models_folder

from .model_comparison import int8_products_saturate, model_differences, unpacked
from .test_quantize import GROUPS, drawn

SHIPPED = {
    "detector": ("float", "fp16", "int8-cpu", "int8-trt"),
    "classifier": ("float", "fp16", "int8-cpu", "int8-trt"),
    # No INT8: a pair of networks that look at a cell in ten ways; the gate of 6603 cells takes hours on two cores.
    "classifier-segmented": ("float", "fp16"),
}
CHECKPOINT = {name: CHECKPOINTS / f"{'kinds' if name == 'classifier' else name}.pt" for name in SHIPPED}
FILES = [f"{folder}/{name}.onnx" for folder, names in SHIPPED.items() for name in names]
ALL_FILES = ["MODEL_CARD.md", "float.onnx", "fp16.onnx", "int8-cpu.onnx", "int8-trt.onnx", "parity.html", "parity.json"]


def metadata(path):
    model = onnx.load(str(path))
    return model, {p.key: p.value for p in model.metadata_props}


@pytest.mark.parametrize("name", FILES)
def test_a_shipped_file_loads_anywhere_and_repeats_its_self_check(name):
    path = models_folder() / name
    model, values = metadata(path)
    assert model.ir_version <= 10
    assert max(o.version for o in model.opset_import) <= 17
    contract = json.loads(values[METADATA_KEY])
    assert re.fullmatch("[0-9a-f]{64}", contract["extra"]["source_sha256"])
    if "int8" in name:
        assert re.fullmatch("[0-9a-f]{64}", contract["extra"]["calibration_sha256"])
    assert str(Path(__file__).resolve().parents[3]) not in path.read_bytes().decode("latin-1")
    check = json.loads(values[SELF_CHECK_KEY])

    batch = unpacked(check["input"])
    assert batch.dtype == np.uint8
    assert len(batch) == 8
    int8 = 0.35 if int8_products_saturate() else 0.15
    allowed = 1e-4 if name.endswith("float.onnx") else 0.02 if "fp16" in name else int8
    for output, got in zip(contract["outputs"], run_model(model, batch), strict=True):
        if output == FEATURES_OUTPUT:
            continue
        assert np.abs(got - unpacked(check["outputs"][output])).max() <= allowed, output


@pytest.mark.parametrize("name", [f for f in FILES if "int8-trt" in f])
def test_the_shipped_tensorrt_files_are_symmetric(name):
    assert unfit_for_tensorrt(metadata(models_folder() / name)[0]) == []


def exported(name):
    return float_model(load_checkpoint(CHECKPOINT[name]))


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_checkpoint_exported_twice_gives_the_same_bytes(name):
    # As a truth value: pytest would spend minutes on what differs in a megabyte.
    same_again = to_bytes(exported(name)) == to_bytes(exported(name))
    assert same_again


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_checkpoint_exports_to_the_model_that_was_shipped(name):
    lines = model_differences(exported(name), onnx.load(str(models_folder() / name / "float.onnx")))
    assert lines == [], f"{name}: the checkpoint was changed and not exported (make models)"


def test_a_model_of_other_weights_nodes_or_contract_is_not_the_one_that_was_shipped():
    shipped = onnx.load(str(models_folder() / "detector" / "float.onnx"))

    def changed(change):
        other = onnx.ModelProto()
        other.CopyFrom(shipped)
        change(other)
        return model_differences(other, shipped)

    def other_weight(model):
        tensor = model.graph.initializer[0]
        values = numpy_helper.to_array(tensor).copy()
        values.flat[0] += 1e-3 * np.abs(values).max()
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))

    def other_attribute(model):
        next(n for n in model.graph.node if n.op_type == "Conv").attribute[0].ints[0] += 1

    def other_contract(model):
        entry = next(p for p in model.metadata_props if p.key == METADATA_KEY)
        entry.value = entry.value.replace("leukocyte-net", "other-net")

    assert changed(lambda _: None) == []
    assert changed(other_weight)[0].startswith(f"weights {shipped.graph.initializer[0].name}")
    assert changed(other_attribute)[0].startswith("nodes")
    assert changed(other_contract) == [f"metadata {METADATA_KEY}"]
    assert changed(lambda model: model.graph.node.pop())[0].startswith("nodes")


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_the_limits_of_a_shipped_card_are_those_of_its_training_data(name):
    file = read_model_file(models_folder() / name / "float.onnx", name.partition("-")[0])
    facts = model_facts(file.identity, [models_folder()])
    assert facts.known_limits == known_limits(file.contract).rstrip(".")
    assert ("ALL-IDB1" in facts.known_limits) <= ("ALL-IDB1" in facts.training_data)
    assert ("Trained only on cells that were cut out" in facts.known_limits) is (name == "classifier-segmented")


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_no_int8_file_is_shipped_that_did_not_pass_the_gate(name):
    assert {p.stem for p in (models_folder() / name).glob("*.onnx")} == set(SHIPPED[name])
    report = json.loads((models_folder() / name / "parity.json").read_text())
    int8 = {r["precision"]: r for r in report if r["precision"].startswith("int8")}
    assert set(int8) == {n for n in SHIPPED[name] if n.startswith("int8")}
    for r in int8.values():
        assert r["passed"]
        assert r["checks"]
        assert all(c["passed"] for c in r["checks"])


@pytest.fixture
def checkpoint():
    """An untrained classifier of blasts."""
    recipe = load_recipe("classifier")
    torch.manual_seed(0)
    weights = find_classifier("blast-net").build(pretrained=False).state_dict()
    return Checkpoint(
        "classifier", "blast-net", dict(weights), recipe.name, dict(recipe.values), recipe.sha256, "0" * 64,
        ("allidb1/A", "cnmc/1"), (), 1,
    )  # fmt: skip


class Script:
    """Replaces the comparison on real cells: fails a given number of times and notes each request."""

    def __init__(self, failures):
        self.left, self.trained = failures, []

    def compare(self, _pairs):
        self.left -= 1
        return [Check("AUROC", 0.9, 0.9, "", self.left < 0)]

    def train_again(self, checkpoint):
        self.trained.append(checkpoint)
        return checkpoint


def subject_of(checkpoint, script):
    calibration = CalibrationSet(drawn(120), GROUPS, ())
    return ExportInputs(checkpoint, [checkpoint], [calibration], calibration, script.compare, script.train_again)


@pytest.mark.timeout(600)
def test_a_passing_export_is_written_as_a_whole(checkpoint, tmp_path):
    report = export(checkpoint, subject_of(checkpoint, Script(0)), tmp_path)
    folder = tmp_path / "classifier"
    assert sorted(p.name for p in folder.iterdir()) == ALL_FILES
    assert [p.precision for p in report] == ["fp16", "int8-cpu", "int8-trt"]
    assert not any(p.float_layers or p.trained_again for p in report)
    card = (folder / "MODEL_CARD.md").read_text()
    for word in ("ALL-IDB1", "C-NMC", "Research use only", "thresholds".capitalize()):
        assert word.lower() in card.lower()
    # An INT8 file of an earlier export would be taken for this network's.
    export(checkpoint, None, tmp_path)
    assert sorted(p.stem for p in folder.glob("*.onnx")) == ["float", "fp16"]


@pytest.mark.timeout(600)
def test_first_the_worst_layers_stay_in_float(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "layer_errors", lambda *_: {"a": 0.1, "/trunk/stem/Conv": 0.9, "b": 0.2})
    script = Script(2)
    report = export(checkpoint, subject_of(checkpoint, script), tmp_path)
    assert report[1].float_layers == ["/trunk/stem/Conv", "b"]
    assert not script.trained


@pytest.mark.timeout(600)
def test_then_it_trains_again_and_then_it_gives_up_and_writes_nothing(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "layer_errors", lambda *_: {"/trunk/stem/Conv": 0.9})
    steps = len(exporting.STEPS_OF_FLOAT_LAYERS)
    script = Script(steps)
    report = export(checkpoint, subject_of(checkpoint, script), tmp_path / "good")
    assert report[1].trained_again
    assert len(script.trained) == 2  # the fold and the checkpoint
    hopeless = Script(1000)
    with pytest.raises(
        EdgeAllError, match=r"int8-cpu file of the classifier loses too much accuracy.*nothing was written"
    ):
        export(checkpoint, subject_of(checkpoint, hopeless), tmp_path / "bad")
    assert hopeless.trained
    assert not list((tmp_path / "bad").glob("**/*"))


@pytest.mark.timeout(600)
def test_each_layer_has_a_quantization_error(checkpoint):
    model = float_model(checkpoint)
    calibration = CalibrationSet(drawn(120), GROUPS, ())
    errors = exporting.layer_errors(model, "int8-cpu", calibration)
    assert len(errors) == sum(n.op_type == "Conv" for n in model.graph.node)
    assert all(e >= 0 for e in errors.values())
    assert max(errors.values()) > 0


def test_one_network_that_fails_the_gate_does_not_keep_the_others_from_their_files(edge_all, tmp_path, monkeypatch):
    from edge_all_export.onnx_export import inputs as subjects
    from edge_all_export.onnx_export.pipeline import GateFailedError

    monkeypatch.setattr(subjects, "export_inputs", lambda *_: None)
    whole = exporting.export

    def failing(checkpoint, subject, out):
        if checkpoint.architecture == "kinds-net":
            raise GateFailedError("the int8-cpu file of the classifier loses too much", "nothing was written")
        return whole(checkpoint, subject, out)

    monkeypatch.setattr(exporting, "export", failing)
    done = edge_all("export", "--int8", "--out", tmp_path)
    assert done.exit_code == 1
    assert done.stderr == "edge-all: the int8-cpu file of the classifier loses too much: nothing was written\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["classifier-segmented", "detector"]


def test_without_int8_float_and_fp16_are_written(edge_all, tmp_path):
    done = edge_all("export", CHECKPOINTS / "detector.pt", "--out", tmp_path)
    assert done.exit_code == 0, done.stderr
    assert sorted(p.name for p in (tmp_path / "detector").glob("*.onnx")) == ["float.onnx", "fp16.onnx"]


def test_too_few_unseen_cells_for_the_gate(edge_all, tiny_recipe, tmp_path):
    assert edge_all("train", tiny_recipe(epochs=1), "--out", tmp_path / "t").exit_code == 0
    done = edge_all("export", tmp_path / "t" / "checkpoint.pt", "--int8", "--out", tmp_path / "o")
    assert done.exit_code == 2
    assert "the gate needs 300 blasts" in done.stderr
    assert not (tmp_path / "o").exists()


def test_an_engine_without_a_gpu_is_refused_before_anything_is_done(edge_all, tmp_path, monkeypatch):
    from edge_all_export.cli import export as command

    monkeypatch.setattr(command, "_has_gpu", lambda: False)
    done = edge_all("export", "--tensorrt", "--out", tmp_path / "o")
    assert done.exit_code == 1
    assert "no NVIDIA GPU" in done.stderr
    assert "Jetson" in done.stderr
    assert not (tmp_path / "o").exists()


def test_a_folder_that_cannot_be_written(edge_all, tmp_path):
    (tmp_path / "file").write_text("")
    done = edge_all("export", CHECKPOINTS / "detector.pt", "--out", tmp_path / "file")
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1


def test_inspect_shows_what_a_file_is(edge_all):
    done = edge_all("inspect", models_folder() / "classifier" / "int8-cpu.onnx")
    assert done.exit_code == 0, done.stderr
    for word in ("classifier kinds-net", "sha256", "um per px", "thresholds", "int8", "not TensorRT"):
        assert word in done.stdout
    assert "self-check batch present" in done.stdout
    trt = edge_all("inspect", models_folder() / "detector" / "int8-trt.onnx", "--no-layers").stdout
    assert "TensorRT 8.6 and later, INT8" in trt
    assert "checkpoint of a classifier" in edge_all("inspect", CHECKPOINTS / "kinds.pt").stdout


def test_inspect_refuses_a_file_that_is_not_a_model(edge_all, tmp_path):
    path = tmp_path / "x.onnx"
    for content, says in ((b"rubbish", "is not an ONNX model"), (b"", "is not an ONNX model")):
        path.write_bytes(content)
        done = edge_all("inspect", path)
        assert done.exit_code == 2
        assert says in done.stderr
    assert edge_all("inspect", tmp_path / "none.onnx").exit_code == 2
