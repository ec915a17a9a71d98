"""TensorRT for a session: what serves while its engine is built, and when it takes over."""

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
    """A file on TensorRT, self-checked. Where TensorRT was not named and is not waited for, ONNX Runtime serves until
    it is ready, from the next best file of the same folder. Raises EngineUnavailableError, ModelError, EngineError."""

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
        return SwitchingEngine(_meanwhile(file, wanted), make, file.metadata, wanted.say)
    engine = make()
    try:
        self_check(engine, file.metadata)
    except BaseException:
        engine.close()
        raise
    return engine


def _meanwhile(file: ModelFile, wanted: Wanted) -> Engine:
    """The best of ONNX Runtime."""
    from edge_all.engines.loading import load_engine

    task, folder = file.contract.task, file.path.parent
    return load_engine(folder, task, replace(wanted, precision="auto"), without=("tensorrt",)).engine
