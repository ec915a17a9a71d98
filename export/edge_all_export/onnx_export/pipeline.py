"""Export of a checkpoint to float, FP16 and INT8 files that passed the gate, or to nothing."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx

from edge_all.errors import EdgeAllError
from edge_all_export.models.checkpoint import Checkpoint
from edge_all_export.models.contracts import model_name
from edge_all_export.models.onnx_session import run_model
from edge_all_export.models.registry import family_of
from edge_all_export.onnx_export.accuracy_gate import Check
from edge_all_export.onnx_export.contracts import contract_of
from edge_all_export.onnx_export.parity import Parity
from edge_all_export.onnx_export.quantization.bias_correction import bias_corrected
from edge_all_export.onnx_export.quantization.static import CalibrationSet, in_fp16, layers, quantized
from edge_all_export.onnx_export.to_onnx import finished, float_model, write_model


class GateFailedError(EdgeAllError):
    """An INT8 file lost too much accuracy with every method."""


_log = logging.getLogger(__name__)
STEPS_OF_FLOAT_LAYERS = (0, 1, 2, 4, 8)
"""Numbers of worst layers to leave in float, tried in this order."""


@dataclass
class ExportInputs:
    """A checkpoint with the inputs for quantizing it and comparing it with its float form."""

    checkpoint: Checkpoint
    folds: Sequence[Checkpoint]
    """Networks with unseen groups, including the checkpoint itself if it has some."""
    calibrations: Sequence[CalibrationSet]
    """One for each fold, from its training data."""
    calibration: CalibrationSet
    """Calibration for the checkpoint."""
    compare: Callable[[Sequence[tuple[onnx.ModelProto, onnx.ModelProto]]], list[Check]]
    """Compares pairs of float and INT8 models, one for each fold."""
    train_again: Callable[[Checkpoint], Checkpoint] | None = None
    """Returns the same network after some epochs with INT8 rounding; None if it is never retrained."""


def export(
    checkpoint: Checkpoint, subject: ExportInputs | None, out: Path, figures: Sequence[str] = ()
) -> list[Parity]:
    """Write out/NAME/{float,fp16}.onnx, model card and parity report; with a subject also INT8 files.

    The INT8 files are int8-cpu.onnx and int8-trt.onnx. Everything is written to a temporary folder and moved at the
    end; if the gate fails, nothing has a final name. figures: lines for the model card about accuracy.

    Raises GateFailedError when an INT8 file fails the gate, and EdgeAllError when writing fails.
    """
    task = family_of(checkpoint).task
    model = float_model(checkpoint)
    contract = contract_of(model, task)
    source = str(contract.extra["source_sha256"])
    half = finished(in_fp16(model), contract, precision="fp16", source_sha256=source, reference=model)
    made = {"float": model, "fp16": half}
    report = [Parity("fp16", [], largest_difference=_difference(model, half, task))]
    if subject is not None:
        for precision in ("int8-cpu", "int8-trt"):
            parity, int8_model = _through_the_gate(subject, model, precision)
            report.append(parity)
            if int8_model is None:
                failed = "; ".join(f"{c.name} {c.before:.4f} -> {c.after:.4f}" for c in parity.checks if not c.passed)
                raise GateFailedError(
                    f"the {precision} file of the {task} loses too much accuracy ({failed}), even with layers left in "
                    f"float{' and after retraining' if parity.trained_again else ''}",
                    "nothing was written; deploy the float file, or train a network that quantizes better",
                )
            made[precision] = int8_model
    _write(out / model_name(contract), made, report, checkpoint, figures)
    return report


def _through_the_gate(
    subject: ExportInputs, model: onnx.ModelProto, precision: str
) -> tuple[Parity, onnx.ModelProto | None]:
    """Try the gate unchanged, then with the worst layers in float, then after retraining with INT8 rounding."""
    family = family_of(subject.checkpoint)
    task, first = family.task, family.float_beginning.get(precision, 0)
    contract = contract_of(model, task)
    parity = Parity(precision)
    before = [float_model(c) for c in subject.folds]
    after, chosen = before, subject.checkpoint
    worst: list[str] = []
    steps = [(n, False) for n in STEPS_OF_FLOAT_LAYERS]
    if subject.train_again is not None:
        steps += [(0, True), (STEPS_OF_FLOAT_LAYERS[-1], True)]
    for count, again in steps:
        if count and not worst:
            _log.info("%s %s: searching for the layers with the largest errors", task, precision)
            parity.errors = layer_errors(before[0], precision, subject.calibrations[0])
            worst = sorted(parity.errors, key=lambda name: -parity.errors[name])
            for name in worst[:10]:
                _log.info("  %.5f %s", parity.errors[name], name)
        if again and not parity.trained_again and subject.train_again is not None:
            _log.info("%s %s: retraining with rounding", task, precision)
            parity.trained_again = True
            after = [float_model(subject.train_again(c)) for c in subject.folds]
            chosen = subject.train_again(subject.checkpoint)
        parity.float_layers = worst[:count]
        pairs = [
            (f, _int8(a, precision, c, first, parity.float_layers))
            for f, a, c in zip(before, after, subject.calibrations, strict=True)
        ]
        parity.checks = subject.compare(pairs)
        words = ", ".join(f"{c.name} {c.before:.4f} -> {c.after:.4f}" for c in parity.checks)
        outcome = "passed" if parity.passed else "failed"
        _log.info("%s %s, %d layers in float: %s: %s", task, precision, count, words, outcome)
        if parity.passed:
            source = model if chosen is subject.checkpoint else float_model(chosen)
            result = finished(
                _int8(source, precision, subject.calibration, first, parity.float_layers),
                contract,
                precision=precision,
                source_sha256=str(contract_of(source, task).extra["source_sha256"]),
                calibration_sha256=subject.calibration.sha256,
                reference=model,
            )
            parity.largest_difference = _difference(model, result, task)
            return parity, result
    return parity, None


def _int8(
    model: onnx.ModelProto, precision: str, calibration: CalibrationSet, first: int, float_layers: Sequence[str]
) -> onnx.ModelProto:
    """Quantize a model and correct its biases. The ``first`` convolutions and ``float_layers`` stay in float."""
    made = quantized(model, precision, calibration, [*beginning(model, first), *float_layers])
    return bias_corrected(made, model, calibration.images)


def beginning(model: onnx.ModelProto, count: int) -> list[str]:
    """Return the convolutions with fewer than ``count`` others before them: the first ones of each trunk."""
    before: dict[str, int] = {}
    names = []
    for node in model.graph.node:
        depth = max((before.get(i, 0) for i in node.input), default=0)
        if node.op_type == "Conv":
            if depth < count:
                names.append(node.name)
            depth += 1
        before.update(dict.fromkeys(node.output, depth))
    return names


def layer_errors(model: onnx.ModelProto, precision: str, calibration: CalibrationSet) -> dict[str, float]:
    """Return, for each convolution alone in INT8, the standard deviation of the outputs' difference.

    Measured on 64 calibration images. A difference that is the same for all of them does not count, because bias
    correction removes it.
    """
    few = calibration.part(128)
    batch = np.stack(few.images[:64])
    before = run_model(model, batch)
    names = layers(model)
    errors = {}
    for name in names:
        alone = quantized(model, precision, few, [n for n in names if n != name])
        after = run_model(alone, batch)
        errors[name] = float(np.mean([(a - b).std(0).mean() for a, b in zip(after, before, strict=True)]))
    return errors


def _difference(model: onnx.ModelProto, other: onnx.ModelProto, task: str) -> float:
    from edge_all_export.onnx_export.self_check import self_check_input

    batch = self_check_input(contract_of(model, task))
    pairs = zip(run_model(model, batch), run_model(other, batch), strict=True)
    return max(float(np.abs(a - b).max()) for a, b in pairs)


def _write(
    folder: Path,
    made: dict[str, onnx.ModelProto],
    report: Sequence[Parity],
    checkpoint: Checkpoint,
    figures: Sequence[str],
) -> None:
    from edge_all_export.onnx_export.model_card import model_card
    from edge_all_export.onnx_export.parity_page import parity_page

    temporary = folder.with_name(folder.name + ".part")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        for name, model in made.items():
            write_model(model, temporary / f"{name}.onnx")
        (temporary / "MODEL_CARD.md").write_text(model_card(checkpoint, made, report, figures))
        values = [asdict(p) | {"passed": p.passed} for p in report]
        (temporary / "parity.json").write_text(json.dumps(values, indent=1) + "\n")
        (temporary / "parity.html").write_text(parity_page(checkpoint, report))
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(temporary.iterdir()):
            path.replace(folder / path.name)
        for stale in folder.glob("*.onnx"):  # left from an earlier export; a device would use it for this network
            if stale.stem not in made:
                stale.unlink()
    except OSError as error:
        raise EdgeAllError(
            f"cannot write {folder} ({error.strerror})", "free space, or choose another --out"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
