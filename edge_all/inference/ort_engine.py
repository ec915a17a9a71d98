"""Engine that runs a model file with ONNX Runtime, on the CPU or through CUDA."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_all.domain.image import Image
from edge_all.errors import EngineError, EngineUnavailableError, ModelError
from edge_all.inference.onnx_file import ModelFile

_PROVIDERS = {"onnxruntime-cpu": "CPUExecutionProvider", "onnxruntime-cuda": "CUDAExecutionProvider"}
_BATCHES = (1, 2, 4, 8, 16, 32)
"""Batch sizes for CUDA, which selects kernels again for every new shape. On the CPU any size performs equally."""


class OnnxRuntimeEngine:
    """ONNX Runtime session with the model's contract. Call it from one thread at a time."""

    def __init__(self, file: ModelFile, threads: int = 0, engine: str = "onnxruntime-cpu") -> None:
        """Load a model.

        Args:
            file: The model file.
            threads: CPU threads; 0 uses every core.
            engine: "onnxruntime-cpu" or "onnxruntime-cuda".

        Raises:
            ModelError: when the model cannot be loaded or lacks an output of its contract.
            EngineUnavailableError: when ONNX Runtime or its provider is not available here.
        """
        onnxruntime = _onnxruntime()
        provider = _PROVIDERS[engine]
        if provider not in onnxruntime.get_available_providers():
            raise EngineUnavailableError(
                "this onnxruntime has no CUDA provider",
                "install onnxruntime-gpu instead (on a Jetson, NVIDIA's build), or use --engine onnxruntime-cpu",
            )
        self._workers = max(1, threads or len(os.sched_getaffinity(0)))
        options = onnxruntime.SessionOptions()
        # A classifier's batch is split over several calls of one thread each, because its layers are too small to
        # gain from internal threads. A whole field is a single large input, so its layers do gain.
        alone = file.contract.input_px == 0
        options.intra_op_num_threads = min(self._workers, 4) if alone else 1
        options.log_severity_level = 4
        # Threads that spin while waiting for work would take CPU time from camera and recorder.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(file.data, options, providers=[provider])
        except Exception as error:  # ONNX Runtime raises many exception types with the same meaning here
            raise ModelError(
                f"ONNX Runtime {onnxruntime.__version__} cannot load {file.path}",
                "copy it again from where it was exported, or leave out --models to use the shipped models",
            ) from error
        if provider not in self._session.get_providers():
            # ONNX Runtime silently falls back to the CPU when CUDA does not start.
            raise EngineUnavailableError(
                "ONNX Runtime's CUDA provider does not start on this machine",
                "check the NVIDIA driver, and that CUDA and cuDNN are the versions it was built for",
            )
        self.contract, self.identity = file.contract, file.identity
        self.name = f"{engine} {file.precision}"
        self._pads = provider != _PROVIDERS["onnxruntime-cpu"]
        shared = self._workers > 1 and not alone and not self._pads
        self._pool = ThreadPoolExecutor(self._workers, "engine") if shared else None
        self._input = self._session.get_inputs()[0].name
        present = {output.name for output in self._session.get_outputs()}
        absent = [name for name in self.contract.outputs if name not in present]
        if absent:
            raise ModelError(f"{file.path} lacks the output {absent[0]} named in its contract", "export it again")
        size = self._session.get_inputs()[0].shape[0]
        self._fixed = size if isinstance(size, int) else None

    def run(self, batch: Image) -> tuple[npt.NDArray[Any], ...]:
        """Run a batch of images (uint8, N x H x W x 3) and return the outputs in the contract's order.

        Raises:
            EngineError: when ONNX Runtime fails.
        """
        if self._fixed is not None:
            parts = [self._padded(batch[i : i + self._fixed], self._fixed) for i in range(0, len(batch), self._fixed)]
        elif self._pads:
            step = _BATCHES[-1]
            parts = [
                self._padded(part, next(n for n in _BATCHES if n >= len(part)))
                for part in (batch[i : i + step] for i in range(0, len(batch), step))
            ]
        elif self._pool is None or len(batch) == 1:
            return self._run(batch)
        else:
            parts = list(self._pool.map(self._run, np.array_split(batch, min(self._workers, len(batch)))))
        return tuple(np.concatenate(output) for output in zip(*parts, strict=True))

    def close(self) -> None:
        """Stop the engine's threads."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _padded(self, part: Image, size: int) -> tuple[npt.NDArray[Any], ...]:
        missing = size - len(part)
        full = np.concatenate([part, np.repeat(part[-1:], missing, axis=0)]) if missing else part
        return tuple(output[: len(part)] for output in self._run(full))

    def _run(self, batch: Image) -> tuple[npt.NDArray[Any], ...]:
        try:
            return tuple(self._session.run(list(self.contract.outputs), {self._input: batch}))
        except Exception as error:  # as above
            reason = str(error).splitlines()[0][:200]
            raise EngineError(
                f"{self.name} failed on a batch of {len(batch)} ({reason})",
                "free memory, lower max_batch in the profile, or choose another --engine",
            ) from error


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise EngineUnavailableError(
            "ONNX Runtime is not installed", "pip install onnxruntime (on a Jetson, NVIDIA's onnxruntime-gpu)"
        ) from error
    return onnxruntime
