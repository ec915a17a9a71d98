"""The classifier of kinds on its way to a device: family, contract, quantization, gate, decision."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch
from edge_all_export.data.crop_cache import CropCache
from edge_all_export.data.kind_crops import SIDE as STORED_SIDE
from edge_all_export.data.kind_crops import KindCell
from edge_all_export.data.kinds import KINDS
from edge_all_export.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from edge_all_export.models.classifier.kinds_network import SIDE, KindsNet
from edge_all_export.models.contracts import with_decision
from edge_all_export.models.kind_thresholds import LEAST_SHARPNESS, KindDecision
from edge_all_export.models.onnx_session import run_model
from edge_all_export.models.registry import family_of
from edge_all_export.onnx_export import kind_inputs
from edge_all_export.onnx_export.accuracy_gate import KindOutcomes, kind_checks
from edge_all_export.onnx_export.kind_inputs import KindsComparison, kinds_calibration
from edge_all_export.onnx_export.pipeline import beginning, export
from edge_all_export.onnx_export.quantization.static import CalibrationSet, layers, quantized, unfit_for_tensorrt
from edge_all_export.onnx_export.to_onnx import float_model
from edge_all_export.recipes.recipe import load_recipe
from edge_all_export.release import kinds_export

from edge_all.errors import UsageError
from edge_all.inference.loader import load_file

from .test_quantize import GROUPS, drawn

DECISION = KindDecision(1.5, 0.7, 0.1, 0.4, ("deepapl", "lisc"), 0.3)


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    torch.manual_seed(0)
    network = KindsNet(pretrained=False)
    torch.nn.init.normal_(network.head.weight, 0, 0.3)
    recipe = load_recipe("kinds")
    made = Checkpoint(
        "kinds", "kinds-net", dict(network.state_dict()), recipe.name, dict(recipe.values), recipe.sha256, "data",
        ("pbc/lymphocyte", "simulator/s1"), ("lisc/lisc",), 1,
    )  # fmt: skip
    return with_decision(made, DECISION)


@pytest.fixture(scope="module")
def model(checkpoint: Checkpoint) -> onnx.ModelProto:
    return float_model(checkpoint)


def test_a_recipe_of_kinds_makes_a_classifier_for_the_device(checkpoint: Checkpoint) -> None:
    assert family_of(checkpoint).name == "kinds-net"
    assert family_of(checkpoint).task == "classifier"


def test_probabilities_and_features_are_those_of_the_network_at_the_temperature(
    checkpoint: Checkpoint, model: onnx.ModelProto
) -> None:
    network = KindsNet(pretrained=False).eval()
    network.load_state_dict(checkpoint.weights)
    crops = np.stack(drawn(3, SIDE))
    probabilities, features = run_model(model, crops)
    with torch.no_grad():
        logits = network(torch.from_numpy(crops).permute(0, 3, 1, 2).float())
    np.testing.assert_allclose(probabilities, torch.softmax(logits / DECISION.temperature, 1).numpy(), atol=1e-4)
    weight, bias = network.head.weight.detach().numpy(), network.head.bias.detach().numpy()
    np.testing.assert_allclose(features @ weight.T + bias, logits.numpy(), atol=1e-3)


def test_the_contract_names_kinds_thresholds_and_the_sources_that_gave_them(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    save_checkpoint(checkpoint, tmp_path / "kinds.pt")
    export(load_checkpoint(tmp_path / "kinds.pt"), None, tmp_path)
    assert sorted(p.name for p in (tmp_path / "classifier").glob("*.onnx")) == ["float.onnx", "fp16.onnx"]
    contract = load_file(tmp_path / "classifier" / "float.onnx", "classifier").contract
    assert contract.outputs == ("kinds", "features")
    assert contract.thresholds == {"blast": 0.7, "normal": 0.1, "kind": 0.4}
    assert contract.extra["kinds"] == list(KINDS)
    assert contract.extra["temperature"] == 1.5
    assert contract.extra["threshold_sources"] == ["deepapl", "lisc"]
    assert contract.extra["coarsest_um_per_px"] == 0.3
    assert contract.least_sharpness == LEAST_SHARPNESS
    assert (contract.window, contract.input_px, contract.um_per_px) == ("none", SIDE, 0.14)


def test_without_a_measured_limit_or_a_decision_the_contract_says_so(checkpoint: Checkpoint) -> None:
    family = family_of(checkpoint)
    no_limit = with_decision(replace(checkpoint), replace(DECISION, coarsest_um_per_px=None))
    assert "coarsest_um_per_px" not in family.contract(no_limit).extra
    assert "thresholds_not_chosen" not in family.contract(no_limit).extra
    assert family.contract(replace(checkpoint, decision={})).extra["thresholds_not_chosen"]


def test_the_card_names_every_source_with_its_license_state(checkpoint: Checkpoint, tmp_path: Path) -> None:
    groups = ("deepapl/P01", "deepbionet/1", "lisc/lisc", "jtsc_tecom/t", "raabin/r", "pbc/lymphocyte")
    export(
        replace(checkpoint, seen_groups=groups), None, tmp_path, ["| left out | cells |", "|---|---|", "| lisc | 9 |"]
    )
    card = " ".join((tmp_path / "classifier" / "MODEL_CARD.md").read_text().split())
    for state in ("no license grant", "no license, citation", "license not stated", "GPL-3 repository", "MIT license"):
        assert state in card
    for words in ("Research use only", "| lisc | 9 |", "temperature 1.50", "left-out cells of deepapl, lisc"):
        assert words in card


@pytest.mark.parametrize("precision", ["int8-cpu", "int8-trt"])
def test_the_second_output_leaves_all_later_layers_in_int8(
    model: onnx.ModelProto, precision: str, tmp_path: Path
) -> None:
    first = beginning(model, 3)
    made = quantized(model, precision, CalibrationSet(drawn(104, SIDE), GROUPS[:104], ()), first)
    if precision == "int8-trt":
        assert unfit_for_tensorrt(made) == []
        return
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "fused.onnx")
    onnxruntime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    fused = [n.op_type for n in onnx.load(tmp_path / "fused.onnx", load_external_data=False).graph.node]
    assert fused.count("QLinearConv") == len(layers(model)) - len(first)
    assert fused.count("DequantizeLinear") == 3  # one for each depth at which maps are averaged


def _outcomes(seed: int = 0) -> tuple[KindOutcomes, npt.NDArray[np.bool_], npt.NDArray[np.str_]]:
    rng = np.random.default_rng(seed)
    kind = np.array((["blast"] * 4 + ["monocyte"] + ["basophil"] * 5) * 100)
    is_blast = kind == "blast"
    probability = np.where(is_blast, rng.normal(0.8, 0.2, 1000), rng.normal(0.2, 0.2, 1000))
    return KindOutcomes(probability, probability > 0.4, kind.copy(), kind.copy()), is_blast, kind


def _gate(after: KindOutcomes) -> dict[str, bool]:
    before, is_blast, kind = _outcomes()
    return {c.name: c.passed for c in kind_checks(before, after, is_blast, ~is_blast, kind)}


def test_the_gate_of_kinds_passes_what_is_the_same() -> None:
    assert _gate(_outcomes()[0]) == dict.fromkeys(
        ("sensitivity", "AUROC", "labels and kinds that agree", "kinds right, mean of 3"), True
    )


def test_the_gate_of_kinds_sees_each_loss() -> None:
    same, is_blast, _ = _outcomes()
    missed = same.flagged.copy()
    missed[np.flatnonzero(is_blast & missed)[:3]] = False
    assert not _gate(replace(same, flagged=missed))["sensitivity"]
    mixed = same.blast_probability.copy()
    mixed[np.flatnonzero(~is_blast)[:40]] = 0.99
    assert not _gate(replace(same, blast_probability=mixed))["AUROC"]
    other = same.label.copy()
    other[:51] = "normal"
    assert not _gate(replace(same, label=other))["labels and kinds that agree"]


def test_a_rare_kind_weighs_as_much_as_a_frequent_one() -> None:
    same, _, kind = _outcomes()
    top = same.top.copy()
    top[np.flatnonzero(kind == "monocyte")[:8]] = "blast"  # 8 of 100 monocytes, and of 1,000 cells
    assert not _gate(replace(same, top=top))["kinds right, mean of 3"]
    top = same.top.copy()
    top[np.flatnonzero(kind == "basophil")[:8]] = "blast"
    assert _gate(replace(same, top=top))["kinds right, mean of 3"]


def _crops(count: int) -> CropCache:
    """Cells of two benches; the first has ``count`` blasts and ``count`` monocytes."""
    cells = [KindCell("one", f"P{i % 4}", str(i), ("blast", "monocyte")[i % 2], "", 0.1) for i in range(2 * count)]
    cells += [KindCell("two", "s", str(i), "lymphocyte", "", 0.1) for i in range(110)]
    crops = np.zeros((len(cells), STORED_SIDE, STORED_SIDE, 3), np.uint8)
    crops[:] = np.linspace(60, 235, STORED_SIDE).astype(np.uint8)[:, None]
    return CropCache(tuple(cells), crops)


def _fold(checkpoint: Checkpoint) -> Checkpoint:
    unseen = tuple(f"one/P{i}" for i in range(4))
    return replace(checkpoint, seen_groups=("two/s",), unseen_groups=unseen)


def test_the_gate_compares_unseen_cells_and_calibrates_on_seen_ones(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    crops, fold = _crops(310), _fold(checkpoint)
    assert set(kinds_calibration(fold, crops).groups) == {"two/s"}
    compare = KindsComparison([fold], crops)
    assert compare.folds == [fold]

    def answers(model: str, views: npt.NDArray[np.uint8], batch: int) -> list[npt.NDArray[np.float64]]:
        assert views.shape == (620, SIDE, SIDE, 3)
        assert batch
        top = np.array([KINDS.index(k) for k in compare.kinds])
        if model == "worse":
            top[np.flatnonzero(top == 0)[:5]] = KINDS.index("monocyte")
        return [np.eye(10)[top]]

    monkeypatch.setattr(kind_inputs, "run_model", answers)
    assert all(c.passed for c in compare([("same", "same")]))  # type: ignore[list-item]
    failed = {c.name for c in compare([("same", "worse")]) if not c.passed}  # type: ignore[list-item]
    assert failed == {"sensitivity", "AUROC"}


def test_too_few_unseen_cells_of_kinds_are_refused(checkpoint: Checkpoint) -> None:
    with pytest.raises(UsageError, match=r"the gate needs 300 unseen blasts.*there are 200 and 200"):
        KindsComparison([_fold(checkpoint)], _crops(200))


def _predictions(path: Path, checkpoint: Checkpoint, **changes: object) -> Path:
    rng = np.random.default_rng(0)
    rows = [",".join(("fold", "source", "group", "name", "kind", "detail", *KINDS))]
    for i in range(240):
        kind, source = ("blast", "monocyte", "artifact")[i % 3], ("lisc", "deepapl")[i % 2]
        logits = rng.normal(0, 1, 10) + 4 * (np.array(KINDS) == kind)
        rows.append(",".join((f"out-{'allidb1' if i % 2 == 0 else 'deepapl'}", source, "g", str(i), kind, "",
                              *(f"{v:.3f}" for v in logits))))  # fmt: skip
    path.write_text("\n".join(rows) + "\n")
    made = {
        "recipe_sha256": checkpoint.recipe_sha256,
        "data_sha256": checkpoint.data_sha256,
        "folds": ["out-allidb1", "out-deepapl", "out-pbc", "groups-1", "groups-2", "groups-3"],
    }
    path.with_suffix(".json").write_text(json.dumps({**made, **changes}))
    return path


def test_the_release_decides_from_predictions_of_its_own_recipe(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kinds.pt"
    save_checkpoint(replace(checkpoint, decision={}), path)
    monkeypatch.setattr(kinds_export, "checkpoint_path", lambda _: path)
    kinds_export.decided(_predictions(tmp_path / "kinds.csv", checkpoint))
    decision = KindDecision(**load_checkpoint(path).decision)
    assert decision.sources == ("deepapl", "lisc")
    assert 0 < decision.normal <= decision.blast < 1
    assert asdict(decision).keys() == asdict(DECISION).keys()
    for changes, words in (
        ({"recipe_sha256": "other"}, "another recipe or other data"),
        ({"folds": ["out-pbc"]}, "without the folds groups-1, groups-2, groups-3, out-allidb1, out-deepapl"),
    ):
        with pytest.raises(UsageError, match=words):
            kinds_export.decided(_predictions(tmp_path / "kinds.csv", checkpoint, **changes))
