"""Why TensorRT cannot run here."""

from __future__ import annotations

from edge_all.errors import EngineUnavailableError


def unavailable() -> EngineUnavailableError | None:
    """None where it can."""
    return EngineUnavailableError("no TensorRT in this version", "take --engine onnxruntime-cpu")
