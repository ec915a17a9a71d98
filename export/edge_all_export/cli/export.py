"""The command ``edge-all export``."""

from __future__ import annotations

from pathlib import Path

import click

from edge_all.domain.plural import counted
from edge_all_export.cli.options import out_option, threads_option

_NO_GPU = (
    "this machine has no NVIDIA GPU to build an engine for; an engine runs only on the GPU model, TensorRT version "
    "and platform that built it, so one from elsewhere would not load on a Jetson"
)


@click.command("export")
@click.argument("checkpoint", metavar="[CHECKPOINT]", required=False, type=click.Path(path_type=Path))
@out_option
@click.option("--int8", is_flag=True, help="Also write INT8 files; each must pass the accuracy gate on unseen groups.")
@click.option(
    "--data", "paths", metavar="PATH", multiple=True, type=click.Path(path_type=Path),
    help="Images for calibration and comparison. Default: those of the checkpoint's recipe.",
)  # fmt: skip
@click.option(
    "--fold", "folds", metavar="FILE", multiple=True, type=click.Path(path_type=Path),
    help="A checkpoint of the same recipe, trained without some groups, for the gate; may be repeated.",
)  # fmt: skip
@click.option("--tensorrt", is_flag=True, help="Also build an engine for this machine's GPU.")
@threads_option
def command(
    checkpoint: Path | None, out: Path, int8: bool, paths: tuple[Path, ...], folds: tuple[Path, ...], tensorrt: bool,
    threads: int | None,
) -> int:  # fmt: skip
    """Export a trained network to the files that a device runs.

    Writes DIR/detector and DIR/classifier (with CHECKPOINT, only its folder): float.onnx, fp16.onnx, MODEL_CARD.md and
    parity.json, and with --int8 also int8-cpu.onnx and int8-trt.onnx. If an INT8 file loses too much accuracy on
    unseen groups, nothing is written for that network and the exit status is 1. Without CHECKPOINT, exports each of
    the shipped models.

    \b
    Example:
      edge-all export --int8 --out runs/models
      edge-all export runs/mine/checkpoint.pt --int8 --out runs/mine/models
    """
    from edge_all.errors import EdgeAllError, UsageError

    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file", "choose a folder for --out")
    if tensorrt and not _has_gpu():
        raise EdgeAllError(_NO_GPU, "copy the ONNX files to the device, which builds its engines from them")

    from edge_all_export.cli.options import set_threads
    from edge_all_export.models.checkpoint import load_checkpoint
    from edge_all_export.models.contracts import model_name, shipped_checkpoint
    from edge_all_export.models.registry import family_of
    from edge_all_export.onnx_export.inputs import SHIPPED_FOLDS, export_inputs
    from edge_all_export.onnx_export.pipeline import GateFailedError, export
    from edge_all_export.training.kind_data import cache_next_to

    set_threads(threads)
    if checkpoint is None and folds:
        raise UsageError("--fold needs a CHECKPOINT", "name the checkpoint, or omit --fold")
    files = [checkpoint] if checkpoint else [shipped_checkpoint(name) for name in SHIPPED_FOLDS]
    failed: list[GateFailedError] = []
    for file in files:
        made = load_checkpoint(file)
        name = model_name(family_of(made).contract(made))
        shipped = () if checkpoint else SHIPPED_FOLDS[file.stem]
        of_folds = [*folds, *(shipped_checkpoint(f"{file.stem}-{f}") for f in shipped)]
        cache = cache_next_to(checkpoint.parent if checkpoint else Path("runs") / file.stem)
        subject = export_inputs(made, of_folds, paths, cache) if int8 else None
        try:
            report = export(made, subject, out)
        except GateFailedError as error:
            failed.append(error)
            continue
        for parity in report:
            note = f", {counted(len(parity.float_layers), 'layer')} in float" if parity.float_layers else ""
            click.echo(f"{name} {parity.precision}: largest difference {parity.largest_difference:.4f}{note}")
        click.echo(f"written to {out / name}")
    for failure in failed:
        click.echo(f"edge-all: {failure}", err=True)
    return 1 if failed else 0


def _has_gpu() -> bool:
    import ctypes

    try:
        driver = ctypes.CDLL("libcuda.so.1")
        count = ctypes.c_int(0)
        return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
    except OSError:
        return False
