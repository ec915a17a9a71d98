"""Loading of any kind of model as an engine."""

from __future__ import annotations

from pathlib import Path

from edge_all.errors import UsageError
from edge_all.inference.base import Engine
from edge_all.inference.loader import load_file
from edge_all.modelstore.shipped import models_folder
from edge_all_export.models.contracts import SEGMENTED


def load_classifier(path: Path | None, threads: int = 0) -> Engine:
    """Load a checkpoint, an ONNX file, or a folder with classifier/float.onnx; None: the shipped classifier.

    Raises UsageError when there is no model, and ModelError when it cannot be used. threads: 0 for all cores.
    """
    if path is None:
        return load_file(models_folder() / "classifier" / "float.onnx", "classifier", threads)
    if not path.exists():
        raise UsageError(f"model {path} does not exist", "name a checkpoint.pt or an ONNX file")
    if path.is_dir():
        for inner in (path / "classifier" / "float.onnx", path / "float.onnx", path / "checkpoint.pt"):
            if inner.is_file():
                return load_classifier(inner, threads)
        raise UsageError(f"{path} contains neither classifier/float.onnx nor checkpoint.pt", "name a model file")
    if path.suffix == ".pt":
        from edge_all_export.models.torch_engine import checkpoint_engine

        return checkpoint_engine(path)
    return load_file(path, "classifier", threads)


def load_for_segmented(path: Path | None, classifier: Engine, threads: int = 0) -> Engine:
    """Load the engine for cells that were cut out of their surroundings.

    It is the classifier-segmented next to a classifier's file, else the classifier itself.
    """
    if classifier.contract.extra.get("cells") == "segmented":
        return classifier
    file = models_folder() / "classifier" / "float.onnx" if path is None else path
    homes = [file / SEGMENTED] if file.is_dir() else [file.parent.parent / SEGMENTED]
    for home in homes:
        for name in (file.name, "float.onnx"):
            if (home / name).is_file():
                return load_file(home / name, "classifier", threads)
    return classifier
