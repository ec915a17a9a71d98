"""Start of TensorRT in a session, with ONNX Runtime in use while the engine is built."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edge_all.engines.engine import Engine
from edge_all.engines.model_file import ModelFile
from edge_all.engines.self_check import self_check
from edge_all.engines.switching import SwitchingEngine

if TYPE_CHECKING:
    from edge_all.engines.loading import Wanted


def tensorrt_engine(file: ModelFile, precision: str, wanted: Wanted) -> Engine:
    """Return a self-checked TensorRT engine for a file.

    If TensorRT was chosen automatically and the caller does not wait for it, ONNX Runtime runs the next best file of
    the same folder until the engine is ready.

    Raises:
        EngineUnavailableError: when TensorRT cannot run here or the build fails.
        ModelError: when the model is invalid or fails its self-check.
        EngineError: when the GPU fails.
    """

    def make() -> Engine:
        from edge_all.engines.tensorrt.cache import EngineCache
        from edge_all.engines.tensorrt.engine import TensorRtEngine

        return TensorRtEngine(
            file.path,
            file.contract.task,
            precision=precision,
            cache=EngineCache(),
            max_batch=wanted.max_batch,
            build_memory_mib=wanted.build_memory_mib,
            on_progress=wanted.say,
        )

    if wanted.engine != "tensorrt" and not wanted.wait:
        return SwitchingEngine(_interim_engine(file, wanted), make, file.metadata, wanted.say)
    engine = make()
    try:
        self_check(engine, file.metadata)
    except BaseException:
        engine.close()
        raise
    return engine


def _interim_engine(file: ModelFile, wanted: Wanted) -> Engine:
    """Return the best ONNX Runtime engine."""
    from edge_all.engines.loading import load_engine

    task, folder = file.contract.task, file.path.parent
    return load_engine(folder, task, replace(wanted, precision="auto"), without=("tensorrt",)).engine
