"""The one place that decides what runs a model file."""

from __future__ import annotations

from pathlib import Path

from edge_all.engines.engine import Engine
from edge_all.errors import UsageError

ENGINES = ("auto", "onnxruntime-cpu")


def load_engine(path: Path, task: str, threads: int = 0, engine: str = "auto") -> Engine:
    """A model file ready to run. task: "detector" or "classifier". Raises ModelError, UsageError."""
    if engine not in ENGINES:
        raise UsageError(f"there is no engine '{engine}' here", f"take one of {', '.join(ENGINES)}")
    from edge_all.engines.onnxruntime_engine import OnnxRuntimeEngine

    return OnnxRuntimeEngine(path, task, threads)
