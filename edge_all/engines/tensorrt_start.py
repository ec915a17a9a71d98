"""TensorRT for a session: what serves while its engine is built, and when it takes over."""

from __future__ import annotations

from edge_all.engines.engine import Engine
from edge_all.engines.model_file import ModelFile
from edge_all.engines.tensorrt.availability import unavailable


def tensorrt_engine(file: ModelFile, precision: str, wanted: object) -> Engine:  # noqa: ARG001
    """Raises EngineUnavailableError."""
    missing = unavailable()
    assert missing is not None
    raise missing
