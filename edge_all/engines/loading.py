"""The one place that decides what runs a model: the best engine that works here, and why not a better one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_all.engines.engine import Engine
from edge_all.engines.model_file import ModelFile, read_model_file
from edge_all.engines.precision import ENGINES, PRECISIONS, file_for, precisions_of
from edge_all.engines.self_check import self_check
from edge_all.errors import EdgeAllError, EngineUnavailableError, ModelError, UsageError


@dataclass(frozen=True)
class Wanted:
    """What the user or the profile asks for."""

    engine: str = "auto"
    precision: str = "auto"
    threads: int = 0
    """Of the CPU; 0: every core."""
    max_batch: int = 32
    build_memory_mib: int | None = None
    """Limit of TensorRT's builder; None: its own."""
    wait: bool = False
    """Build TensorRT's engine before the first frame, not beside it."""
    say: Callable[[str], None] = lambda _: None
    """Told in one line of every change of engine, from any thread."""

    def __post_init__(self) -> None:
        if self.engine not in ("auto", *ENGINES):
            raise UsageError(f"there is no engine '{self.engine}'", f"take one of auto, {', '.join(ENGINES)}")
        if self.precision not in PRECISIONS:
            raise UsageError(f"there is no precision '{self.precision}'", f"take one of {', '.join(PRECISIONS)}")


@dataclass(frozen=True)
class Loaded:
    """An engine that has checked itself, and why no better one was taken."""

    engine: Engine
    not_taken: tuple[str, ...] = ()


def load_file(path: Path, task: str, threads: int = 0, engine: str = "onnxruntime-cpu") -> Engine:
    """One model file with ONNX Runtime, self-checked. Raises ModelError, EngineUnavailableError."""
    file = read_model_file(path, task)
    return _checked(_onnxruntime_engine(file, Wanted(engine, threads=threads), engine), file)


def load_engine(folder: Path, task: str, wanted: Wanted | None = None, without: tuple[str, ...] = ()) -> Loaded:
    """The model in a folder (float.onnx, int8-cpu.onnx ...) on the best engine that works. without: engines that "auto"
    passes over.

    A named engine or precision that cannot be had is an error, never a fallback. Raises EngineUnavailableError,
    ModelError, UsageError.
    """
    wanted = wanted or Wanted()
    if not folder.is_dir():
        raise ModelError(f"there is no model folder {folder}", "check --models; it holds detector/ and classifier/")
    engines = [e for e in ENGINES if e not in without] if wanted.engine == "auto" else [wanted.engine]
    reasons: list[str] = []
    for engine in engines:
        try:
            return Loaded(_on(engine, folder, task, wanted, reasons), tuple(reasons))
        except EngineUnavailableError as error:
            if wanted.engine != "auto":
                raise
            reasons.append(f"no {engine}: {error.message.removeprefix(engine + ' ')}")
    raise EngineUnavailableError(
        f"no engine runs {folder} ({'; '.join(reasons)})", "take another --precision, or --engine auto"
    )


def _on(engine: str, folder: Path, task: str, wanted: Wanted, reasons: list[str]) -> Engine:
    _refuse_early(engine)
    precisions = precisions_of(engine) if wanted.precision == "auto" else (wanted.precision,)
    missing: list[str] = []
    for precision in precisions:
        path = file_for(engine, precision, folder)
        if isinstance(path, Path):
            made = _made(engine, read_model_file(path, task), precision, wanted)
            reasons += missing
            return made
        missing.append(path)
    if engine == "onnxruntime-cpu" and wanted.precision == "auto":
        read_model_file(folder / "float.onnx", task)  # says what is wrong with it
    raise EngineUnavailableError(missing[-1], "export it ('edge-all export'), or take another --precision")


def _refuse_early(engine: str) -> None:
    """Before a model is read: what this machine lacks."""
    if engine == "tensorrt":
        from edge_all.engines.tensorrt.availability import unavailable

        if (missing := unavailable()) is not None:
            try:
                raise missing
            finally:
                # Its traceback holds this frame and all that called it: what they made would outlive its use.
                del missing


def _made(engine: str, file: ModelFile, precision: str, wanted: Wanted) -> Engine:
    if engine != "tensorrt":
        return _checked(_onnxruntime_engine(file, wanted, engine), file)
    from edge_all.engines.tensorrt_start import tensorrt_engine

    return tensorrt_engine(file, precision, wanted)


def _onnxruntime_engine(file: ModelFile, wanted: Wanted, engine: str) -> Engine:
    from edge_all.engines.onnxruntime_engine import OnnxRuntimeEngine

    return OnnxRuntimeEngine(file, wanted.threads, engine)


def _checked(engine: Engine, file: ModelFile) -> Engine:
    try:
        self_check(engine, file.metadata)
    except EdgeAllError:
        engine.close()
        raise
    return engine


def engines_in_words(loaded: Sequence[Loaded]) -> str:
    """One line: what was taken and why not the better ones."""
    names = list(dict.fromkeys(one.engine.name for one in loaded))
    reasons = list(dict.fromkeys(reason for one in loaded for reason in one.not_taken))
    return f"engine {', '.join(names)}" + (f" ({'; '.join(reasons)})" if reasons else "")
