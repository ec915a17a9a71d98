"""Any ONNX network without a contract, as a baseline for benchmarks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from edge_all.errors import ModelError, UsageError

_USUAL = (1, 3, 640, 640)


class BaselineNetwork:
    """Network with one image as its input, on ONNX Runtime's CPU provider."""

    def __init__(self, path: Path, threads: int) -> None:
        """Load a network. Unspecified input dimensions become those of 1 x 3 x 640 x 640.

        Raises:
            ModelError: when the network cannot run with one image as its input.
            UsageError: when the file does not exist.
        """
        import onnxruntime

        if not path.is_file():
            raise UsageError(f"the file {path} does not exist", "give an ONNX file with --baseline")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4
        with _errors_translated(path):
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in ("tensor(float)", "tensor(uint8)"):
            raise _unfit(path, "its inputs are " + ", ".join(f"{i.type} {i.shape}" for i in inputs))
        self._name = inputs[0].name
        self.shape = tuple(
            d if isinstance(d, int) and d > 0 else usual for d, usual in zip(inputs[0].shape, _USUAL, strict=True)
        )
        random = np.random.default_rng(0)
        is_float = inputs[0].type == "tensor(float)"
        self._image = (
            random.random(self.shape, np.float32) if is_float else random.integers(0, 256, self.shape, np.uint8)
        )
        self._path = path

    def run(self) -> None:
        """Run the network once, always on the same random image.

        Raises:
            ModelError: when the network fails.
        """
        with _errors_translated(self._path):
            self._session.run(None, {self._name: self._image})


@contextmanager
def _errors_translated(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # ONNX Runtime raises many exception types
        raise _unfit(path, (str(error).splitlines() or [type(error).__name__])[0][:160]) from error


def _unfit(path: Path, reason: str) -> ModelError:
    return ModelError(f"{path} cannot be run by itself ({reason})", "give a network with one image as its input")
