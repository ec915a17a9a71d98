"""Selection of the engine for a model: the best one that works here, with the reasons against better ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edge_all.errors import EdgeAllError, EngineUnavailableError, ModelError, UsageError
from edge_all.inference.base import Engine
from edge_all.inference.hot_swap import HotSwapEngine
from edge_all.inference.onnx_file import ModelFile, read_model_file
from edge_all.inference.precision import ENGINES, PRECISIONS, file_for, precisions_of
from edge_all.inference.self_check import self_check


@dataclass(frozen=True)
class EngineOptions:
    """Engine options requested by the user or the profile."""

    engine: str = "auto"
    precision: str = "auto"
    threads: int = 0
    """CPU threads; 0 uses every core."""
    max_batch: int = 32
    build_memory_mib: int | None = None
    """Memory limit of TensorRT's builder in MiB; None for TensorRT's default."""
    wait: bool = False
    """Build the TensorRT engine before the first frame, not in the background."""

    def __post_init__(self) -> None:
        if self.engine not in ("auto", *ENGINES):
            raise UsageError(f"unknown engine '{self.engine}'", f"choose one of auto, {', '.join(ENGINES)}")
        if self.precision not in PRECISIONS:
            raise UsageError(f"unknown precision '{self.precision}'", f"choose one of {', '.join(PRECISIONS)}")


@dataclass(frozen=True)
class LoadedModel:
    """Engine that passed its self-check, with the reasons why no better one was chosen."""

    engine: Engine
    not_taken: tuple[str, ...] = ()


def load_file(path: Path, task: str, threads: int = 0, engine: str = "onnxruntime-cpu") -> Engine:
    """Load one model file with ONNX Runtime and run its self-check.

    Raises:
        ModelError: when the file is invalid or fails its self-check.
        EngineUnavailableError: when the engine is not available here.
    """
    file = read_model_file(path, task)
    return _checked(_onnxruntime_engine(file, EngineOptions(engine, threads=threads), engine), file)


def load_engine(
    folder: Path, task: str, options: EngineOptions | None = None, without: tuple[str, ...] = ()
) -> LoadedModel:
    """Load the model in a folder (float.onnx, int8-cpu.onnx ...) on the best engine that works.

    ``without`` lists engines that "auto" skips. An unavailable engine or precision that was named explicitly is an
    error; there is no fallback.

    Raises:
        EngineUnavailableError: when no requested engine works.
        ModelError: when the folder or a file is missing or invalid, or a self-check fails.
        UsageError: when the engine or the precision is unknown.
    """
    options = options or EngineOptions()
    if not folder.is_dir():
        raise ModelError(
            f"the model folder {folder} does not exist", "check --models; it must contain detector/ and classifier/"
        )
    engines = [e for e in ENGINES if e not in without] if options.engine == "auto" else [options.engine]
    reasons: list[str] = []
    for engine in engines:
        try:
            return LoadedModel(_on(engine, folder, task, options, reasons), tuple(reasons))
        except EngineUnavailableError as error:
            if options.engine != "auto":
                raise
            reasons.append(f"no {engine}: {error.message.removeprefix(engine + ' ')}")
    raise EngineUnavailableError(
        f"no engine can run {folder} ({'; '.join(reasons)})", "choose another --precision, or --engine auto"
    )


def _on(engine: str, folder: Path, task: str, options: EngineOptions, reasons: list[str]) -> Engine:
    _refuse_early(engine)
    precisions = precisions_of(engine) if options.precision == "auto" else (options.precision,)
    missing: list[str] = []
    for precision in precisions:
        path = file_for(engine, precision, folder)
        if isinstance(path, Path):
            made = _made(engine, read_model_file(path, task), precision, options)
            reasons += missing
            return made
        missing.append(path)
    if engine == "onnxruntime-cpu" and options.precision == "auto":
        read_model_file(folder / "float.onnx", task)  # raises an error that describes the problem
    raise EngineUnavailableError(missing[-1], "export it ('edge-all export'), or choose another --precision")


def _refuse_early(engine: str) -> None:
    """Raise EngineUnavailableError if this machine lacks what the engine needs, before a model is read."""
    if engine == "tensorrt":
        from edge_all.inference.tensorrt.availability import unavailable

        if (missing := unavailable()) is not None:
            try:
                raise missing
            finally:
                # Its traceback references this frame and its callers, whose objects would otherwise stay alive.
                del missing


def _made(engine: str, file: ModelFile, precision: str, options: EngineOptions) -> Engine:
    if engine != "tensorrt":
        return _checked(_onnxruntime_engine(file, options, engine), file)
    return _tensorrt_engine(file, precision, options)


def _tensorrt_engine(file: ModelFile, precision: str, options: EngineOptions) -> Engine:
    """Return a self-checked TensorRT engine for a file.

    If TensorRT was chosen automatically and the caller does not wait for it, ONNX Runtime runs the next best file of
    the same folder until the engine is ready.

    Raises:
        EngineUnavailableError: when TensorRT cannot run here or the build fails.
        ModelError: when the model is invalid or fails its self-check.
        EngineError: when the GPU fails.
    """

    def make() -> Engine:
        from edge_all.inference.tensorrt.cache import EngineCache
        from edge_all.inference.tensorrt.engine import TensorRtEngine

        return TensorRtEngine(
            file.path,
            file.contract.task,
            precision=precision,
            cache=EngineCache(),
            max_batch=options.max_batch,
            build_memory_mib=options.build_memory_mib,
        )

    if options.engine != "tensorrt" and not options.wait:
        return HotSwapEngine(_interim_engine(file, options), make, file.metadata)
    engine = make()
    try:
        self_check(engine, file.metadata)
    except BaseException:
        engine.close()
        raise
    return engine


def _interim_engine(file: ModelFile, options: EngineOptions) -> Engine:
    """Return the best ONNX Runtime engine."""
    task, folder = file.contract.task, file.path.parent
    return load_engine(folder, task, replace(options, precision="auto"), without=("tensorrt",)).engine


def _onnxruntime_engine(file: ModelFile, options: EngineOptions, engine: str) -> Engine:
    from edge_all.inference.ort_engine import OnnxRuntimeEngine

    return OnnxRuntimeEngine(file, options.threads, engine)


def _checked(engine: Engine, file: ModelFile) -> Engine:
    try:
        self_check(engine, file.metadata)
    except EdgeAllError:
        engine.close()
        raise
    return engine


def engines_in_words(loaded: Sequence[LoadedModel]) -> str:
    """Describe in one line the engines in use and the reasons against better ones."""
    names = list(dict.fromkeys(one.engine.name for one in loaded))
    reasons = list(dict.fromkeys(reason for one in loaded for reason in one.not_taken))
    return f"engine {', '.join(names)}" + (f" ({'; '.join(reasons)})" if reasons else "")
