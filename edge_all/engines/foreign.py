"""Any ONNX network, without a contract, to measure ours against."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from edge_all.errors import ModelError, UsageError

_USUAL = (1, 3, 640, 640)


class ForeignNetwork:
    """One network with one image as its input, on ONNX Runtime's CPU provider."""

    def __init__(self, path: Path, threads: int) -> None:
        """Free sides of the input become those of 1 x 3 x 640 x 640. Raises ModelError, UsageError."""
        import onnxruntime

        if not path.is_file():
            raise UsageError(f"there is no file {path}", "name an ONNX file with --baseline")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4
        with _told(path):
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
        """Once, on the same random image each time. Raises ModelError."""
        with _told(self._path):
            self._session.run(None, {self._name: self._image})


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # ONNX Runtime raises a dozen kinds
        raise _unfit(path, (str(error).splitlines() or [type(error).__name__])[0][:160]) from error


def _unfit(path: Path, reason: str) -> ModelError:
    return ModelError(f"{path} does not run alone ({reason})", "give a network with one image as its input")
