"""Runs a model file with ONNX Runtime on the CPU."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_all.engines.contract import Contract, read_contract
from edge_all.errors import ModelError
from edge_all.vocabulary import Image, ModelIdentity


class OnnxRuntimeEngine:
    """An ONNX Runtime session that has read its own contract. Safe to call from one thread at a time."""

    def __init__(self, path: Path, task: str, threads: int = 0) -> None:
        """path: an ONNX file. threads: 0 takes every core. Raises ModelError."""
        import onnxruntime

        try:
            data = path.read_bytes()
        except OSError as error:
            raise ModelError(
                f"cannot read the model file {path} ({error.strerror})",
                "check --models; it holds detector/float.onnx and classifier/float.onnx",
            ) from error
        options = onnxruntime.SessionOptions()
        # One thread a call, and the batch shared out over several calls: small networks gain nothing from
        # threads within a layer.
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises a dozen kinds, all of them meaning the same here
            raise ModelError(
                f"{path} is no model that ONNX Runtime {onnxruntime.__version__} can load",
                "copy it again from where it was exported, or leave --models out for the shipped ones",
            ) from error
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.contract: Contract = read_contract(metadata, str(path), task)
        self.identity = ModelIdentity(self.contract.name, self.contract.version, hashlib.sha256(data).hexdigest())
        self.name = f"onnxruntime-cpu {path.stem}"
        self._workers = max(1, threads or os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(self._workers, "engine") if self._workers > 1 else None
        self._input = self._session.get_inputs()[0].name
        present = {output.name for output in self._session.get_outputs()}
        absent = [name for name in self.contract.outputs if name not in present]
        if absent:
            raise ModelError(f"{path} lacks the output {absent[0]} that its contract names", "export it again")

    def run(self, batch: Image) -> tuple[npt.NDArray[Any], ...]:
        """Outputs in the contract's order for uint8 N x H x W x 3."""
        if self._pool is None or len(batch) == 1:
            return self._run(batch)
        parts = np.array_split(batch, min(self._workers, len(batch)))
        results = list(self._pool.map(self._run, parts))
        return tuple(np.concatenate(output) for output in zip(*results, strict=True))

    def close(self) -> None:
        """Its threads end."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _run(self, batch: Image) -> tuple[npt.NDArray[Any], ...]:
        return tuple(self._session.run(list(self.contract.outputs), {self._input: batch}))
