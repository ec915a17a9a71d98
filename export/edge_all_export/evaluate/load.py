"""Whatever model is named, as an engine."""

from __future__ import annotations

from pathlib import Path

from edge_all.engines.engine import Engine
from edge_all.engines.loading import load_engine
from edge_all.engines.shipped import models_folder
from edge_all.errors import UsageError


def load_classifier(path: Path | None, threads: int = 0) -> Engine:
    """A checkpoint, an ONNX file, or a folder with classifier/float.onnx; None: the shipped classifier."""
    if path is None:
        return load_engine(models_folder() / "classifier" / "float.onnx", "classifier", threads)
    if not path.exists():
        raise UsageError(f"there is no model {path}", "name a checkpoint.pt or an ONNX file")
    if path.is_dir():
        for inner in (path / "classifier" / "float.onnx", path / "float.onnx", path / "checkpoint.pt"):
            if inner.is_file():
                return load_classifier(inner, threads)
        raise UsageError(f"{path} holds neither classifier/float.onnx nor checkpoint.pt", "name a model file")
    if path.suffix == ".pt":
        from edge_all_export.evaluate.torch_engine import checkpoint_engine

        return checkpoint_engine(path)
    return load_engine(path, "classifier", threads)
